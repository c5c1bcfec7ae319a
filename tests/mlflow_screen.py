"""MLflow's own pages of one run, in a real browser."""

import dataclasses

from playwright.sync_api import FrameLocator, Locator, Page

_READY = 120_000  # a small machine draws for long
_TRAINING = "workflowType=machine_learning"  # else the page opens in a mode for language models
_WITHOUT_ASSISTANT = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""


@dataclasses.dataclass(frozen=True)
class Screen:
    """What a person sees of a run in MLflow."""

    page: Page
    home: str
    experiment: str
    run: str

    def overview(self) -> Locator:
        """Open the run; its whole description."""
        self._open("")
        self.page.get_by_text("Show more").first.click(timeout=_READY)
        return self.page.get_by_test_id("note-editor-preview-content")

    def charts(self) -> dict[str, int]:
        """Open the charts; how many each section has."""
        self._open("/model-metrics")
        headers = self.page.locator("[data-testid=experiment-view-compare-runs-section-header]")
        headers.first.wait_for(state="attached", timeout=_READY)
        found = (text.split("\n") for text in headers.all_inner_texts())
        return {name: int(count.strip("()")) for name, count, *_ in found}

    def artifact(self, path: str) -> FrameLocator:
        """Open a page among the artifacts; what it shows."""
        self._open(f"/artifacts/{path}")
        self.page.locator("iframe").wait_for(state="attached", timeout=_READY)
        return self.page.frame_locator("iframe")

    def _open(self, tab: str) -> None:
        self.page.add_init_script(_WITHOUT_ASSISTANT)
        place = f"/experiments/{self.experiment}/runs/{self.run}{tab}"
        self.page.goto("about:blank")
        self.page.goto(f"{self.home}/?{_TRAINING}#{place}?{_TRAINING}")
