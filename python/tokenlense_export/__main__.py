"""
`python -m tokenlense_export`, started by `tokenlense export`. Each line in is a job: {model, revision, trustRemoteCode}. The answer is an event
"described" with sizes and a folder of tokenizer files, upon which Node sends {output, contract, files} or {skip: true}; then "done", or
at any time "refused".
"""

import gc
import json
import tempfile
import traceback
from pathlib import Path
from typing import Any

from .protocol import Channel, Refusal


def export(job: dict[str, Any], channel: Channel) -> None:
    import torch

    from .minimal import Minimal, trace
    from .sizes import sizes
    from .source import Source, architecture, first_line
    from .tokenizer import save_tokenizer
    from .verify import make_cases, verify

    source = Source(job["model"], job.get("revision"), job.get("trustRemoteCode", False), channel)
    channel.phase("describe")
    config = source.config()
    skeleton = source.skeleton(config)
    Minimal(skeleton)  # refuses what cannot be one
    described = sizes(config, skeleton)
    weights = {id(tensor): tensor.numel() for tensor in [*skeleton.parameters(), *skeleton.buffers()]}
    del skeleton
    with tempfile.TemporaryDirectory(prefix="tokenlense-export-") as folder:
        samples = save_tokenizer(source, config, Path(folder))
        name = source.folder.resolve().name if not source.on_hub else source.name
        fields = {"name": name, "family": config.model_type, "sizes": described, "bytes": 4 * sum(weights.values())}
        channel.send("described", folder=folder, samples=samples, **fields)
        answer = channel.receive()
    if answer is None or answer.get("skip"):
        return

    model = source.model(config)
    contract = answer["contract"]
    contract["source"]["sha256"] = source.digest()
    module = Minimal(model)
    try:
        vocabulary = module.measure()
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise architecture(config, f"does not run on embeddings alone: {first_line(error)}") from error
    if vocabulary != described["vocabulary"]:
        raise architecture(config, f"has {vocabulary} logits, not {described['vocabulary']}")
    cases = make_cases(model, module, described["vocabulary"], described["context"], channel)
    channel.phase("trace")
    length = min(11, described["context"])
    mask = torch.ones((2, length), dtype=torch.long)
    mask[1, : min(3, length - 1)] = 0
    traced, fixed = trace(module, torch.arange(2 * length).reshape(2, length) % described["vocabulary"], mask)
    channel.phase("write")
    files = {"tokenlense/contract.json": json.dumps(contract), **answer["files"]}
    try:
        torch.jit.save(traced, answer["output"], _extra_files=files)
    except RuntimeError as error:
        if "Python function" in str(error):
            raise architecture(config, "runs a Python function of its own, which no archive can hold") from error
        raise Refusal("DISK", f"{answer['output']} cannot be written: {error}") from error
    # The archive itself is verified, and memory need not hold the weights twice for it.
    del model, module, traced
    gc.collect()
    differences = verify(torch.jit.load(answer["output"]), cases, config, fixed, channel)
    channel.send("done", differences=differences)


def main() -> None:
    channel = Channel()
    channel.phase("start")
    while job := channel.receive():
        try:
            export(job, channel)
        except Refusal as refusal:
            channel.send("refused", code=refusal.code, message=str(refusal), hint=refusal.hint)
        except Exception as error:
            traceback.print_exc()
            channel.send("refused", code="NATIVE", message=f"The exporter failed: {type(error).__name__}: {error}", hint=None)


main()
