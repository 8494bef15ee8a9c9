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
# "SHA256 EPOCH STAGES" of a payload that an update has just refused: the agent then
# runs uninstall.ps1 and install.ps1 of its own accord. Each stands back once.
$rejected = Join-Path $folder 'rejected'
$rejectedFor = 900 # seconds
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
function Call([string]$program, [string[]]$arguments) {
    $global:LASTEXITCODE = 1
    & $program @arguments
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

function Now { return [int64]([DateTime]::UtcNow - [DateTime]'1970-01-01').TotalSeconds }
function Hash([string]$path) { return (Get-FileHash -Algorithm SHA256 -LiteralPath $path).Hash.ToLowerInvariant() }

# Refused: sum, at and stages of a payload refused a moment ago, or nothing.
function Refused {
    if (-not (Test-Path -LiteralPath $rejected)) { return $null }
    $fields = @(([string](Get-Content -LiteralPath $rejected -TotalCount 1)) -split ' ')
    if ($fields.Count -ne 3 -or $fields[1] -notmatch '^[0-9]{1,18}$') { return $null }
    $age = (Now) - [int64]$fields[1]
    if ($age -lt 0 -or $age -ge $rejectedFor) { return $null }
    return @{ Sum = $fields[0]; At = $fields[1]; Stages = $fields[2] }
}

function Note([string]$sum, [string]$at, [string]$stages) {
    Set-Content -LiteralPath $rejected -Value "$sum $at $stages" -Encoding ASCII
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
        if ($had) { Move-Item -LiteralPath $bin -Destination $prev -Force }
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
        Remove-Item -LiteralPath $folder -Recurse -Force
        Say 'the service does not stay up; nothing was left installed'
        return
    }
    Move-Item -LiteralPath $prev -Destination $bin -Force
    Note (Hash $payload) (Now) '-'
    ServiceInstall
    if ($LASTEXITCODE -eq 0) {
        Say 'the new release does not stay up; the previous one runs again'
    } else {
        Say 'neither the new nor the previous release stays up; the previous one is in place'
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
