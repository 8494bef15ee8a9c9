# Installs ssm-doctor, or repairs it: the agent runs this for a first install, after
# a failed validate.ps1, and as its own kind of rollback after a failed update.
try { . (Join-Path $PSScriptRoot 'common.ps1') } catch { [Console]::Error.WriteLine("ssm-doctor: $_"); exit 1 }
Guarded {
    if (OwnedByInstaller) {
        Say 'already installed by Windows Installer, nothing to do'
        return
    }
    # The folder of the earlier release may hold the refused one's files: the agent
    # downloads what was asked for into both.
    if ((AgentIs 10) -and (Refused)) {
        Say 'kept the release in place: this one has just been refused'
        return
    }
    Deploy
}
exit 1
