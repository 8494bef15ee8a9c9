package ecs

import (
	"testing"

	"ssm-doctor/agent/gather/gathertest"
)

// FuzzTask decodes the document of an ECS task.
func FuzzTask(f *testing.F) {
	gathertest.AddSeeds(f, `{"Cluster":"c","TaskARN":"arn:aws:ecs:us-east-1:1:task/x","LaunchType":"FARGATE"}`, `{"TaskARN":"arn:\u001b::"}`, "<html>", "[]", "")
	f.Fuzz(func(t *testing.T, b []byte) {
		if task, err := parseTask(b); err == nil {
			gathertest.Sound(t, task)
		}
	})
}
