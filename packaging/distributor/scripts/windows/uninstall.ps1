# Removes ssm-doctor of any release: the agent may run the new release's script to
# remove the old one. Configuration stays, it is the administrator's.
try { . (Join-Path $PSScriptRoot 'common.ps1') } catch { [Console]::Error.WriteLine("ssm-doctor: $_"); exit 1 }
Guarded {
    # The agent removes the release in place before it tries another one, and the other
    # one when that has failed. Both times install.ps1 follows, which needs what is here.
    if ((Test-Path -LiteralPath $bin) -and ((AgentIs 6) -or (AgentIs 9))) {
        Say 'kept the release in place for the installation that follows'
        return
    }
    if (OwnedByInstaller) {
        Say 'installed by Windows Installer, remove it there'
        return
    }
    if ($withService -and (Get-Service -Name 'ssm-doctor' -ErrorAction SilentlyContinue)) {
        StopService
        $tool = $bin
        try { Runs $tool | Out-Null } catch { $tool = $payload }
        $arguments = @('service', 'uninstall')
        if ($keepState) { $arguments += '--keep-state' }
        Call $tool $arguments
        if ($LASTEXITCODE -ne 0) { throw 'the service could not be removed; the program was left in place' }
    }
    if (Test-Path -LiteralPath $folder) {
        Remove-Item -LiteralPath $folder -Recurse -Force
    }
    Say 'removed'
}
exit 1
