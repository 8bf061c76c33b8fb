// Results of evaluations: of one answer, and how those of two answers differ.

import type { Turn } from "./turn";
import type { Check } from "./wire/recorded";

export const checkInWords = ({ evaluation, outcome, score }: Check): string =>
  `${evaluation} ${outcome}${score === undefined ? "" : ` ${score.toFixed(2)}`}`;

// What came out otherwise than in another turn, as "polite failed, brief 0.25 lower"; empty where nothing did.
export function checksInWords(one: Turn | undefined, other: Turn | undefined): string {
  const found = (one?.checks ?? []).flatMap((check) => {
    const same = other?.checks.find(({ evaluation }) => evaluation === check.evaluation);
    if (!same) return [];
    if (check.outcome !== same.outcome) return `${check.evaluation} ${check.outcome}`;
    const by = (check.score ?? 0) - (same.score ?? 0);
    return Math.abs(by) < 0.005 ? [] : `${check.evaluation} ${Math.abs(by).toFixed(2)} ${by > 0 ? "higher" : "lower"}`;
  });
  return found.join(", ");
}

// As "3 of 4 checks passed"; empty where nothing is known.
export function passedInWords(turns: readonly (Turn | undefined)[]): string {
  const judged = turns.flatMap((each) => each?.checks ?? []).filter(({ passed }) => passed !== undefined);
  return judged.length ? `${judged.filter(({ passed }) => passed).length} of ${judged.length} checks passed` : "";
}
