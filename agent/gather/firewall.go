package gather

import (
	"context"

	"ssm-doctor/checks/facts"
)

func firewall(ctx context.Context, env *Env) facts.Seen[facts.Firewall] {
	return facts.Unknown[facts.Firewall]("not looked at", "")
}
