"""Database → evidence → findings, and candidates → verified recommendations."""
