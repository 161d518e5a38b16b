"""Plan → pacer → engine and transport → result → verdicts, comparison."""
