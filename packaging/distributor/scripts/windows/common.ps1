# Shared by install.ps1, update.ps1, uninstall.ps1 and validate.ps1 of the Distributor
# package. Windows PowerShell 5.1, ASCII only, no network, no modules.
#
# Additional arguments (all optional):
#   SSM_DOCTOR_WAIT=10        seconds the service must stay up to count as started (0-300)
#   SSM_DOCTOR_SERVICE=no     put the program in place, without the service
#   SSM_DOCTOR_NO_START=yes   install the service, do not start it
#   SSM_DOCTOR_KEEP_STATE=yes uninstall leaves the state folder

$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0

# The agent sets these even when there is no proxy.
foreach ($name in 'http_proxy', 'https_proxy', 'no_proxy') {
    if ([Environment]::GetEnvironmentVariable($name) -eq '') {
        [Environment]::SetEnvironmentVariable($name, $null)
    }
}

$programFiles = $env:ProgramFiles
if ($env:ProgramW6432) { $programFiles = $env:ProgramW6432 }
$folder = Join-Path $programFiles 'ssm-doctor'
$bin = Join-Path $folder 'ssm-doctor.exe'
$new = Join-Path $folder 'ssm-doctor.new.exe'
$prev = Join-Path $folder 'ssm-doctor.prev.exe'
# SHA-256 of a payload whose service did not stay up, until another is installed.
$rejected = Join-Path $folder 'rejected'
$payload = Join-Path $PSScriptRoot 'ssm-doctor.exe'

function Say([string]$text) { Write-Output "ssm-doctor: $text" }

# Flag NAME DEFAULT: whether a switch is on; anything but a clear word is an error.
function Flag([string]$name, [bool]$default) {
    $value = [Environment]::GetEnvironmentVariable($name)
    if (-not $value) { return $default }
    if ($value -in 'yes', 'true', '1') { return $true }
    if ($value -in 'no', 'false', '0') { return $false }
    throw "$name must be yes or no"
}

$wait = 10
if ($env:SSM_DOCTOR_WAIT) {
    if ($env:SSM_DOCTOR_WAIT -notmatch '^[0-9]{1,3}$' -or [int]$env:SSM_DOCTOR_WAIT -gt 300) {
        throw 'SSM_DOCTOR_WAIT must be a number of seconds, at most 300'
    }
    $wait = [int]$env:SSM_DOCTOR_WAIT
}
$withService = Flag 'SSM_DOCTOR_SERVICE' $true
$noStart = Flag 'SSM_DOCTOR_NO_START' $false
$keepState = Flag 'SSM_DOCTOR_KEEP_STATE' $false
# The program takes variables of such names for its own flags.
Get-ChildItem Env: | Where-Object { $_.Name -like 'SSM_DOCTOR_*' } | ForEach-Object {
    [Environment]::SetEnvironmentVariable($_.Name, $null)
}

# AgentIs STATE: whether the agent is at this point of its work with the package: 6 it
# removes one release to install another, 9 it removes the release that it could not
# install, 10 it installs the one before it again, 8 all is installed.
function AgentIs([int]$state) {
    $file = Join-Path (Split-Path -Parent $PSScriptRoot) 'installstate'
    try { return (Get-Content -LiteralPath $file -Raw | ConvertFrom-Json).state -eq $state } catch { return $false }
}

# OwnedByInstaller says whether an MSI package has installed ssm-doctor.
function OwnedByInstaller {
    $keys = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*'
    foreach ($entry in @(Get-ItemProperty $keys -ErrorAction SilentlyContinue)) {
        $have = $entry.PSObject.Properties
        if ($have['DisplayName'] -and $entry.DisplayName -like 'ssm-doctor*' -and
            $have['WindowsInstaller'] -and $entry.WindowsInstaller -eq 1) {
            return $true
        }
    }
    return $false
}

# Runs PROGRAM: what it says of itself; an error when this host cannot execute it.
function Runs([string]$program) {
    $said = ''
    try { $said = [string](& $program version) } catch { $said = $_.Exception.Message }
    if ($said -notlike 'ssm-doctor *') { throw "$program does not run (blocked by a policy or antivirus, or another architecture): $said" }
    return $said
}

# Call PROGRAM ARGUMENTS: its output goes on; the exit code is left in LASTEXITCODE.
# What it tells of its progress is no error in the agent's output.
function Call([string]$program, [string[]]$arguments) {
    $start = New-Object System.Diagnostics.ProcessStartInfo
    $start.FileName = $program
    $start.Arguments = $arguments -join ' '
    $start.UseShellExecute = $false
    $start.RedirectStandardError = $true
    $process = [System.Diagnostics.Process]::Start($start)
    $said = $process.StandardError.ReadToEnd()
    $process.WaitForExit()
    $global:LASTEXITCODE = $process.ExitCode
    if ($process.ExitCode -eq 0) { Write-Output $said.TrimEnd() } else { [Console]::Error.WriteLine($said.TrimEnd()) }
}

function ServiceInstall {
    $arguments = @('service', 'install', '--wait', "${wait}s")
    if ($noStart) { $arguments += '--no-start' }
    Call $bin $arguments
}

function StopService {
    $service = Get-Service -Name 'ssm-doctor' -ErrorAction SilentlyContinue
    if ($service -and $service.Status -ne 'Stopped') {
        Stop-Service -Name 'ssm-doctor' -Force
        $service.WaitForStatus('Stopped', [TimeSpan]::FromSeconds(60))
    }
}

function Hash([string]$path) { return (Get-FileHash -Algorithm SHA256 -LiteralPath $path).Hash.ToLowerInvariant() }

# Refused: the payload of this folder did not stay up on this host.
function Refused {
    if (-not (Test-Path -LiteralPath $rejected) -or -not (Test-Path -LiteralPath $bin)) { return $false }
    return ([string](Get-Content -LiteralPath $rejected -TotalCount 1)) -eq (Hash $payload)
}

# Deploy puts the payload in place, starts it, and puts back what was there before
# when it does not stay up. A program that runs can be renamed, not overwritten.
function Deploy {
    New-Item -ItemType Directory -Force -Path $folder | Out-Null
    Copy-Item -LiteralPath $payload -Destination $new -Force
    try {
        $said = Runs $new
        StopService
        $had = Test-Path -LiteralPath $bin
        # After a cut off update the program in place is this one, which nothing has tried;
        # the copy is of the one that ran.
        $untried = $had -and (Test-Path -LiteralPath $prev) -and (Hash $bin) -eq (Hash $payload)
        if ($had -and -not $untried) { Move-Item -LiteralPath $bin -Destination $prev -Force }
        Move-Item -LiteralPath $new -Destination $bin -Force
    } finally {
        Remove-Item -LiteralPath $new -Force -ErrorAction SilentlyContinue
        # Cut off between the two moves: the earlier program is the present one again.
        if (-not (Test-Path -LiteralPath $bin) -and (Test-Path -LiteralPath $prev)) {
            Move-Item -LiteralPath $prev -Destination $bin -Force
        }
    }
    if ($withService) {
        ServiceInstall
        if ($LASTEXITCODE -ne 0) {
            Back $had
            exit 1
        }
    } else {
        # A service of an earlier install would go on with the program that was replaced.
        if (Get-Service -Name 'ssm-doctor' -ErrorAction SilentlyContinue) {
            Call $bin @('service', 'uninstall', '--keep-state')
            if ($LASTEXITCODE -ne 0) { throw 'the service that is there could not be removed' }
        }
        Say 'program installed, without the service'
    }
    Remove-Item -LiteralPath $prev, $rejected -Force -ErrorAction SilentlyContinue
    Say "installed: $said"
}

# Back: after a failed start.
function Back([bool]$had) {
    StopService
    if (-not $had) {
        Call $bin @('service', 'uninstall', '--keep-state')
        if ($LASTEXITCODE -ne 0) {
            # It must not be started again and again.
            & sc.exe config ssm-doctor start= disabled | Out-Null
            [Console]::Error.WriteLine("ssm-doctor: the service does not stay up and could not be removed; its program was left in place: run `"$bin`" service uninstall")
            return
        }
        Remove-Item -LiteralPath $folder -Recurse -Force
        [Console]::Error.WriteLine('ssm-doctor: the service does not stay up; nothing was left installed')
        return
    }
    Move-Item -LiteralPath $prev -Destination $bin -Force
    Set-Content -LiteralPath $rejected -Value (Hash $payload) -Encoding ASCII
    ServiceInstall
    if ($LASTEXITCODE -eq 0) {
        [Console]::Error.WriteLine('ssm-doctor: the new release does not stay up; the previous one runs again')
    } else {
        [Console]::Error.WriteLine('ssm-doctor: neither the new nor the previous release stays up; the previous one is in place')
    }
}

# Guarded BLOCK: exit code 0 or 1, never the one of a child, which could be 3010.
function Guarded([scriptblock]$block) {
    try {
        & $block
    } catch {
        [Console]::Error.WriteLine("ssm-doctor: $($_.Exception.Message)")
        exit 1
    }
    exit 0
}
