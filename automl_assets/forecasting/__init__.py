"""The family of questions about series: everything that looks at stamps, seasons and horizons."""
