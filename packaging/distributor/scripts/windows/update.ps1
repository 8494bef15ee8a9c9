# In-place update to the release of this folder, or downgrade to it.
try { . (Join-Path $PSScriptRoot 'common.ps1') } catch { [Console]::Error.WriteLine("ssm-doctor: $_"); exit 1 }
Guarded {
    if (OwnedByInstaller) {
        Say 'already installed by Windows Installer, nothing to do'
        return
    }
    Deploy
}
exit 1
