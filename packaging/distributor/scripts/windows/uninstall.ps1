$global:LASTEXITCODE = 1 # stays when the program cannot be started
& "$PSScriptRoot\ssm-doctor.exe" service deploy uninstall; exit $LASTEXITCODE
