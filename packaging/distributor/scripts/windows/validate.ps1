# Says whether what install.ps1 leaves is there and runs. When it fails, the agent
# runs install.ps1.
try { . (Join-Path $PSScriptRoot 'common.ps1') } catch { [Console]::Error.WriteLine("ssm-doctor: $_"); exit 1 }
Guarded {
    if (OwnedByInstaller) {
        Say 'installed by Windows Installer'
        return
    }
    if (-not (Test-Path -LiteralPath $bin)) { throw "$bin is missing" }
    $said = Runs $bin
    # After a rollback the folder of the release that runs may hold the refused one.
    if ((Hash $bin) -ne (Hash $payload) -and -not (((AgentIs 8) -or (AgentIs 10)) -and (Refused))) {
        throw "$bin is not the program of this release"
    }
    if ($withService -and -not $noStart) {
        Call $bin @('service', 'verify')
        if ($LASTEXITCODE -ne 0) { throw 'the service is not as it was installed' }
    }
    # An update that was cut off leaves copies.
    Remove-Item -LiteralPath $new, $prev -Force -ErrorAction SilentlyContinue
    Say "valid: $said"
}
exit 1
