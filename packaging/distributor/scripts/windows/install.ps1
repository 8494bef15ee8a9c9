# Installs ssm-doctor, or repairs it: the agent runs this for a first install, after
# a failed validate.ps1, and as its own kind of rollback after a failed update.
try { . (Join-Path $PSScriptRoot 'common.ps1') } catch { [Console]::Error.WriteLine("ssm-doctor: $_"); exit 1 }
Guarded {
    if (OwnedByInstaller) {
        Say 'already installed by Windows Installer, nothing to do'
        return
    }
    $refusal = Refused
    if ($refusal -and $refusal.Stages -ne 'ui' -and (Test-Path -LiteralPath $bin) -and $refusal.Sum -eq (Hash $payload)) {
        Note $refusal.Sum $refusal.At 'ui'
        Say 'kept the release in place: an update has just refused this one'
        return
    }
    Deploy
}
exit 1
