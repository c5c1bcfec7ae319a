import re
from pathlib import Path

import pytest
import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
STEPS = ("20_000", "60")


class _Model(LightningModule):
    """Somebody's own model: adds two numbers modulo 5."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, pairs: Tensor) -> Tensor:
        hidden: Tensor = self.head(torch.relu(self.embed(pairs).sum(dim=1)))
        return hidden

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_acc", (self(batch[0]).argmax(dim=1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def _loader() -> DataLoader[tuple[Tensor, ...]]:
    pairs = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    return DataLoader(TensorDataset(pairs, pairs.sum(dim=1) % 5), batch_size=25)


@pytest.mark.network
@pytest.mark.filterwarnings("ignore:.*logging interval:UserWarning")
def test_the_blocks_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"model": _Model(), "train_loader": _loader(), "val_loader": _loader()}
    scope: dict[str, object] = dict(names)
    assert len(BLOCKS) >= 2
    assert STEPS[0] in BLOCKS[0]
    for block in BLOCKS:
        exec(compile(block.replace(*STEPS), str(README), "exec"), scope)
    assert list((tmp_path / ".grokwatch" / "runs").glob("*/*.journal"))
    assert (tmp_path / "mlflow.db").is_file()


def test_the_two_commands_open_the_readme() -> None:
    opening = README.read_text().partition("## ")[0]
    assert "docs/pictures/demo.png" in opening
    assert re.findall(r"^make (\w+)", opening, re.MULTILINE) == ["demo", "test"]
