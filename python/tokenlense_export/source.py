"""Finds a model's files, in a folder or on the Hugging Face hub, and reads its configuration and weights."""

import fnmatch
import hashlib
from pathlib import Path
from typing import Any

import httpx2
import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub import errors as hub
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from .protocol import Channel, Refusal

DESCRIPTION = ["*.json", "*.py", "*.model", "*.jinja", "*.txt", "*.tiktoken"]
WEIGHTS = [["*.safetensors"], ["*.bin"]]


class Source:
    def __init__(self, name: str, revision: str | None, trust_remote_code: bool, channel: Channel) -> None:
        self.name, self.revision, self.channel = name, revision, channel
        self.options: dict[str, Any] = {"trust_remote_code": trust_remote_code, "local_files_only": not trust_remote_code}
        self.on_hub = not Path(name).is_dir()
        self.folder = Path(self._download(DESCRIPTION)) if self.on_hub else Path(name)

    def config(self) -> PretrainedConfig:
        if not (self.folder / "config.json").is_file():
            raise Refusal("FILE", f"{self.folder} has no config.json.", "Give a model folder as on the Hugging Face hub.")
        try:
            config = AutoConfig.from_pretrained(self.folder, **self.options)
        except (ValueError, OSError, KeyError) as error:
            raise self._refused(error) from error
        own_code = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
        if getattr(config, "is_encoder_decoder", False):
            raise architecture(config, "is an encoder with a decoder, and scores are of one text that goes on")
        if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING and not own_code:
            raise architecture(config, "is no causal language model of transformers")
        config.use_cache = False
        return config

    def skeleton(self, config: PretrainedConfig) -> PreTrainedModel:
        """The model without weights: what can be said of it before gigabytes are read."""
        try:
            with torch.device("meta"):
                return AutoModelForCausalLM.from_config(
                    config, attn_implementation="eager", trust_remote_code=self.options["trust_remote_code"]
                )
        except (ValueError, ImportError, AttributeError) as error:
            raise self._refused(error) from error

    def model(self, config: PretrainedConfig) -> PreTrainedModel:
        if self.on_hub:
            self._download_weights()
        self.channel.phase("load")
        try:
            model, report = AutoModelForCausalLM.from_pretrained(
                self.folder,
                config=config,
                dtype=torch.float32,
                attn_implementation="eager",
                output_loading_info=True,
                **self.options,
            )
        except (ValueError, OSError, ImportError, RuntimeError) as error:
            raise self._refused(error) from error
        missing = sorted(report["missing_keys"])
        if missing:
            raise Refusal(
                "FORMAT",
                f"{self.name} lacks weights: {', '.join(missing[:3])}{f' and {len(missing) - 3} more' if len(missing) > 3 else ''}.",
                "They would be random. Take a checkpoint that is whole, with the head of a language model.",
            )
        return model.eval().requires_grad_(False)

    def digest(self) -> str:
        """Of the files that the archive is made from, in order, as src/models/model.ts makes it of a folder."""
        whole = hashlib.sha256()
        names = sorted(path.name for path in self.folder.iterdir() if path.is_file())
        weights = next((found for kind in WEIGHTS if (found := _matching(names, kind))), [])
        paths = [self.folder / name for name in _matching(names, DESCRIPTION) + weights]
        total, done = sum(path.stat().st_size for path in paths), 0
        for path in paths:
            one = hashlib.sha256()
            with path.open("rb") as file:
                while chunk := file.read(1 << 22):
                    one.update(chunk)
                    done += len(chunk)
                    self.channel.phase("digest", done, total, "bytes")
            whole.update(f"{path.name} {one.hexdigest()}\n".encode())
        return whole.hexdigest()

    def _download_weights(self) -> None:
        try:
            names = HfApi().list_repo_files(self.name, revision=self.revision)
        except httpx2.HTTPError:
            names = []  # what an earlier run kept may be whole
        kind = next((kind for kind in WEIGHTS if _matching(names, kind)), WEIGHTS[0])
        self._download([*DESCRIPTION, *kind])

    def _download(self, patterns: list[str]) -> str:
        self.channel.phase("download")
        try:
            bar = _bar(self.channel)
            return snapshot_download(self.name, revision=self.revision, allow_patterns=patterns, tqdm_class=bar)
        except hub.GatedRepoError as error:
            hint = "Accept its terms on its page on the hub, then run `hf auth login` or set HF_TOKEN."
            raise Refusal("MODEL", f"{self.name} is only given to those who accepted its terms.", hint) from error
        except hub.RevisionNotFoundError as error:
            raise Refusal("MODEL", f"{self.name} has no revision {self.revision}.") from error
        except (hub.RepositoryNotFoundError, hub.HFValidationError) as error:
            hint = "Give a folder, or a name such as EleutherAI/gpt-j-6b. A private model needs `hf auth login` or HF_TOKEN."
            raise Refusal("MODEL", f"There is no folder {self.name}, and no model of that name on the hub.", hint) from error
        except (hub.LocalEntryNotFoundError, hub.HfHubHTTPError, httpx2.HTTPError, OSError) as error:
            hint = "There is no such folder here; a name is looked up on the Hugging Face hub, which needs the network."
            raise Refusal("DOWNLOAD", f"{self.name} could not be fetched from the hub: {first_line(error)}", hint) from error

    def _refused(self, error: Exception) -> Refusal:
        text = first_line(error)
        if "trust_remote_code" in str(error):
            hint = "Read the .py files beside it; if you trust them, add --trust-remote-code."
            return Refusal("ARCHITECTURE", f"{self.name} comes with code of its own, which is only run when asked to.", hint)
        if isinstance(error, ImportError):
            hint = "Its own code asks for a package that the exporter's environment does not have."
            return Refusal("ARCHITECTURE", f"{self.name} cannot be loaded: {text}", hint)
        return Refusal("FORMAT", f"transformers cannot read {self.name}: {text}")


def _bar(channel: Channel) -> type[tqdm]:
    """The hub's progress bar, as phases. It has one for files, one for bytes on the way, and one for bytes that have arrived."""

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            if self.unit == "B" and not str(self.desc).startswith("Downloading bytes"):
                channel.phase("download", int(self.n), int(self.total or 0), "bytes")
            return shown

        def display(self, *_: Any, **__: Any) -> None: ...

    return Bar


def architecture(config: PretrainedConfig, what: str, hint: str | None = None) -> Refusal:
    return Refusal("ARCHITECTURE", f'The architecture "{config.model_type}" {what}.', hint)


def first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _matching(names: list[str], patterns: list[str]) -> list[str]:
    return [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
