import pytest

from grokwatch.experiments.counting import counting, counting_bar, counting_lines


@pytest.mark.parametrize("total", [1, 7, 10, 80])
def test_lines_come_at_equal_shares_and_the_last_says_that_all_is_done(total: int) -> None:
    shown: list[str] = []
    with counting_lines("training", total, shown.append) as done:
        for seed in range(total):
            done(f"seed {seed}")
    assert len(shown) == min(total, 10)
    assert shown[-1] == f"training: {total}/{total}, seed {total - 1}"


def test_the_bar_counts_parts_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with counting_bar("training", 2) as done:
        done("seed 0")
        done("seed 1")
    out, err = capfd.readouterr()
    assert out == ""
    assert all(text in err for text in ("training", "2/2", "seed 1"))


@pytest.mark.parametrize("progress", [True, False])
def test_lines_are_shown_where_there_is_no_bar(
    progress: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []
    with counting(shown.append, progress=progress)("training", 1) as done:
        done("seed 0")
    assert shown == ([] if progress else ["training: 1/1, seed 0"])
    assert bool(capfd.readouterr().err) is progress
