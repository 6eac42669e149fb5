"""From what was measured to a table: medians, and ratios to `wasm-coordinator`."""

import statistics
from dataclasses import dataclass, field

from lines import LINES

OURS = "wasm-coordinator"
LANGUAGES = {"python": "Python", "javascript": "JavaScript"}


@dataclass
class Cell:
    """One peer in one line: the median of each round, or why there is none."""

    rounds: dict = field(default_factory=dict)
    problem: str = ""

    def median(self):
        return statistics.median(self.rounds.values())

    def ratio(self, ours):
        """To ours, of the same round; both had the same machine then."""
        both = self.rounds.keys() & ours.rounds.keys()
        if not both:
            return None
        ratios = [self.rounds[number] / ours.rounds[number] for number in both]
        return statistics.median(ratios)


class Results:
    def __init__(self, peers, lines):
        self.columns = {language: [] for language in LANGUAGES}
        self.lines = lines
        self.cells = {}
        for peer in peers:
            self.columns[peer.language].append(peer.name)
            for line in lines:
                if line in peer.lines:
                    self.cells[peer.language, peer.name, line] = Cell()

    def cell(self, peer, line):
        return self.cells.get((peer.language, peer.name, line))

    def ratio(self, language, name, line):
        cell = self.cells.get((language, name, line))
        ours = self.cells.get((language, OURS, line))
        if name == OURS or not (cell and ours and cell.rounds and ours.rounds):
            return None
        return cell.ratio(ours)

    def markdown(self, facts, missing):
        parts = [self.table(language) for language in LANGUAGES]
        parts += ["\n".join(f"- {fact}" for fact in facts)]
        problems = [
            row(name, language, LINES[line].label, cell.problem)
            for (language, name, line), cell in self.cells.items()
            if cell.problem
        ]
        problems += [
            row(name, language, "all", reason)
            for (name, language), reason in missing.items()
        ]
        if problems:
            head = ["| not measured | | because |", "|---|---|---|"]
            parts.append("\n".join([*head, *problems]))
        return "\n\n".join(filter(None, parts))

    def table(self, language):
        names = self.columns[language]
        if not names:
            return ""
        lines = [
            f"| {LANGUAGES[language]} | {' | '.join(names)} |",
            f"|---|{'--:|' * len(names)}",
        ]
        for line in self.lines:
            cells = [self.shown(language, name, line) for name in names]
            if any(cell != "–" for cell in cells):
                label = f"{LINES[line].label}, {LINES[line].unit}"
                lines.append(f"| {label} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def shown(self, language, name, line):
        cell = self.cells.get((language, name, line))
        if cell is None or not (cell.rounds or cell.problem):
            return "–"
        if not cell.rounds:
            return "failed"
        text = figure(cell.median() / LINES[line].scale)
        ratio = self.ratio(language, name, line)
        return text if ratio is None else f"{text} ({figure(ratio, 2)})"

    def document(self, facts, missing):
        """Everything, for programs that read it."""
        tables = {language: {} for language in LANGUAGES}
        for (language, name, line), cell in self.cells.items():
            entry = {"rounds": [*cell.rounds.values()]}
            if cell.rounds:
                entry["median"] = cell.median()
                entry["ratio"] = self.ratio(language, name, line)
            if cell.problem:
                entry["problem"] = cell.problem
            tables[language].setdefault(line, {})[name] = entry
        labels = {line: LINES[line].label for line in self.lines}
        return {
            "facts": facts,
            # Times in milliseconds, memory in MiB, rates in runs a second.
            "lines": labels,
            "languages": tables,
            "missing": [
                {"peer": name, "language": language, "reason": reason}
                for (name, language), reason in missing.items()
            ],
        }


def row(name, language, line, reason):
    reason = " ".join(reason.split()).replace("|", "\\|")
    return f"| {name} ({LANGUAGES[language]}) | {line} | {reason} |"


def figure(value, digits=3):
    """A number with so many digits that count, and no more than needed."""
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    text = f"{value:.{digits}g}"
    # No exponents.
    return f"{value:.6f}".rstrip("0") if "e" in text else text
