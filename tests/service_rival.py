"""One of several processes that take the same runs: commits the batches it is told to.

Reads `<run> <number of the batch>` or `sweep` from standard input, and answers each line when it is
done: with how many records were stored, or how many runs had something to judge.
"""

import sys

from tests.service_runs import Bench, batches, opened, story

LEASE_SECONDS = 0.3
SIZE = 10


def main() -> None:
    address, holder = sys.argv[1:]
    with opened(address) as store:
        bench = Bench(store, holder=holder, lease_seconds=LEASE_SECONDS)
        for line in sys.stdin:
            run_id, _, number = line.strip().partition(" ")
            if number:
                answer = bench.push(batches(story(run_id), SIZE)[int(number)]).stored
            else:
                answer = bench.committer.sweep()
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
