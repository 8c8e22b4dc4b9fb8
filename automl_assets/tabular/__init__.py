"""The family of questions about rows that stand for themselves: everything that looks at columns."""
