"""Every table in AUTOML_DATA: test metric, out-of-fold score, wall time against the limit, memory, ONNX parity and latency.

python benchmarks/tabular.py [minutes] [name ...]
"""

import sys
import tempfile

from runs import TABULAR, experiment, run


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    names = sys.argv[2:] or list(TABULAR)
    print(f"{minutes:g} minutes each\n")
    print(
        "| data | metric | out-of-fold | test | 95 % interval | kind | wall s | peak MB | ONNX difference | one row ms | MB |"
    )
    print("|" + "---|" * 11)
    for name in names:
        with tempfile.TemporaryDirectory() as home:
            result = run(name, experiment(name), minutes, home)
        metric, onnx = result["metric"], result["onnx"]
        low, high = result["intervals"].get(metric, (float("nan"), float("nan")))
        cells = [
            name,
            metric,
            f"{result['ensemble']['score']:.5g}",
            f"{result['test_metrics'][metric]:.5g}",
            f"{low:.5g} to {high:.5g}",
            result["ensemble"]["kind"],
            f"{result['wall_seconds']:.0f}",
            f"{result['peak_megabytes']:.0f}",
            f"{onnx['max_difference']:.1g}",
            f"{onnx['latency_milliseconds']:.3f}",
            f"{onnx['megabytes']:.1f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
