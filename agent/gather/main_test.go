package gather

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain also plays the programs that runProgram is tested with.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "-as-program" {
		asProgram(os.Args[2])
	}
	goleak.VerifyTestMain(m)
}

func asProgram(what string) {
	switch what {
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "flood":
		line := strings.Repeat("x", 1<<10)
		for range 4 << 10 {
			fmt.Println(line)
		}
	case "hang":
		time.Sleep(time.Hour)
	case "fail":
		fmt.Println("partial")
		fmt.Fprintln(os.Stderr, "bad \x1b[31mnews")
		os.Exit(3)
	}
	os.Exit(0)
}
