// Two lanes: each question goes to both, and what differs is said.

import { useEffect, useRef, useState } from "preact/hooks";
import { checkInWords, checksInWords, passedInWords } from "../checks";
import type { Trial } from "../conversation";
import { inWords, labelOf, Lanes, LANES, takenBy, textOf, trialOf, type LaneName } from "../lanes";
import { useChanges } from "../parts/changes";
import { baseOf, type AgentName } from "../place";
import { addressOf, NOWHERE, routes } from "../routes";
import type { Turn } from "../turn";
import { Variables } from "../variables";
import { asJson } from "../wire/http";
import { Composer } from "./composer";
import { Header } from "./header";
import type { Description, Inside } from "./start";
import { AnswerView } from "./turn";

const MAX_FILE = 1 << 20;
const NOTHING = (): void => {};
const listed = (words: string[]): string => words.filter(Boolean).join(", ");

// The drafts of prompts, kept in this tab: they are too long for an address.
const draftKey = ({ namespace, name }: AgentName, lane: LaneName): string => `omnia.prompt.${lane} ${namespace}/${name}`;

// The lanes of the address; each lane's session is beside it.
function lanesOf(agent: AgentName, variables: Variables): Lanes {
  const given = new URLSearchParams(routes.now.query);
  const of = <T,>(value: (name: LaneName) => T): Record<LaneName, T> => ({ a: value("a"), b: value("b") });
  return new Lanes(
    baseOf(agent),
    of((name) => {
      const system = sessionStorage.getItem(draftKey(agent, name));
      return { ...trialOf(given.get(name) ?? ""), ...(system && { system }) };
    }),
    of((name) => given.get(`${name}c`) ?? ""),
    () => variables.metadata,
  );
}

function addressed({ trials, conversations }: Lanes): string {
  const given = new URLSearchParams(LANES.map((name) => [name, textOf(trials[name])]));
  for (const name of LANES) if (conversations[name].kept) given.set(`${name}c`, conversations[name].kept);
  return given.toString();
}

export function Compare({ agent }: { agent: AgentName }) {
  const [variables] = useState(() => new Variables(agent));
  const [lanes, setLanes] = useState(() => lanesOf(agent, variables));
  const [shown, setShown] = useState<LaneName>("a");
  const [inside, setInside] = useState<Inside>();
  useChanges(lanes);
  useEffect(() => {
    // The page works without it.
    asJson<Description>(`${baseOf(agent)}api/agent`).then(
      (found) => {
        variables.declare(found.variables ?? []);
        setInside(found.inside);
      },
      () => {},
    );
  }, []);
  useEffect(() => {
    document.title = `Compare · ${agent.name} · Omnia`;
    const ends = [
      lanes.listen(() => routes.now.view === "compare" && routes.go({ query: addressed(lanes) }, { replace: true })),
      // Other lanes, by Back or by hand.
      routes.listen(() => {
        if (routes.now.view === "compare" && routes.now.query !== addressed(lanes)) setLanes(lanesOf(agent, variables));
      }),
    ];
    const stop = (event: KeyboardEvent): void => {
      if (event.key === "Escape") lanes.stop();
    };
    addEventListener("keydown", stop);
    lanes.connect();
    return () => {
      removeEventListener("keydown", stop);
      ends.forEach((end) => end());
      lanes.leave();
    };
  }, [lanes]);
  // Another choice begins other conversations, so that both lanes hear the same.
  const choose = (name: LaneName, trial: Trial): void => {
    if (trial.system) sessionStorage.setItem(draftKey(agent, name), trial.system);
    else sessionStorage.removeItem(draftKey(agent, name));
    const chosen = LANES.map((each) => [each, textOf(each === name ? trial : lanes.trials[each])]);
    routes.go({ query: new URLSearchParams(chosen).toString() });
    setLanes(lanesOf(agent, variables));
  };
  lanes.evals = inside?.evals.length ?? 0;
  const { a, b } = lanes.conversations;
  const [one, other] = LANES.map((name) => lanes.conversations[name].turns);
  const count = Math.max(one!.length, other!.length);
  // Only what both have answered is compared as a whole.
  const both = [...Array(count).keys()].filter((at) => [one![at], other![at]].every((each) => each && !each.fault && each.state === "settled"));
  const [ofA, ofB] = [one!, other!].map((turns) => both.map((at) => turns[at]));
  const [passedA, passedB] = [passedInWords(ofA!), passedInWords(ofB!)];
  const words = listed([inWords(takenBy(ofB!), takenBy(ofA!)), passedA && passedB && `${passedB}; A: ${passedA}`]);
  return (
    <div class="page agent comparing">
      <Header
        name={`Compare ${agent.name}`}
        state={[a, b].find((each) => each.state.kind !== "open")?.state ?? a.state}
        changed={() => lanes.connect()}
        skip={{ to: "message", label: "Skip to the message field" }}
        actions={
          <>
            <a id="conversation" class="button" href={addressOf({ ...NOWHERE, agent })}>
              Conversation
            </a>
            <Questions ask={(text) => lanes.ask(text)} />
          </>
        }
      />
      <main data-shown={shown}>
        <div class="switch" role="group" aria-label="Lane">
          {LANES.map((name) => (
            <button key={name} type="button" aria-pressed={shown === name} onClick={() => setShown(name)}>
              {name.toUpperCase()}: {labelOf(lanes.trials[name])}
            </button>
          ))}
        </div>
        <Choices id="of-version" values={inside?.versions.map(({ version }) => version)} />
        <Choices id="of-provider" values={inside?.providers.map(({ name }) => name)} />
        <div id="log" role="log" aria-label="Comparison" tabIndex={0}>
          <div class="lanes">
            {LANES.map((name) => (
              <Lane
                key={`${name} ${textOf(lanes.trials[name])} ${lanes.trials[name].system}`}
                name={name}
                trial={lanes.trials[name]}
                template={inside?.template}
                choose={(trial) => choose(name, trial)}
              />
            ))}
          </div>
          {[...Array(count).keys()].map((at) => (
            <Row key={at} turns={[one![at], other![at]]} lanes={lanes} />
          ))}
        </div>
        <p class="difference" role="status">
          {words && `B: ${words}, over ${both.length === 1 ? "1 answer" : `${both.length} answers`}.`}
          {lanes.waiting.length > 0 && ` ${lanes.waiting.length} questions wait.`}
        </p>
      </main>
      <Composer conversation={lanes} agent="both" variables={variables} />
    </div>
  );
}

// What there is to choose from, where the server tells it.
const Choices = ({ id, values = [] }: { id: string; values: string[] | undefined }) => (
  <datalist id={id}>
    {values.map((each) => (
      <option key={each} value={each} />
    ))}
  </datalist>
);

interface LaneProps {
  name: LaneName;
  trial: Trial;
  // Of the prompt as it is, where the server tells it.
  template: string | undefined;
  choose: (trial: Trial) => void;
}

// What a lane tries out.
function Lane({ name, trial, template, choose }: LaneProps) {
  const form = useRef<HTMLFormElement>(null);
  const field = (what: "version" | "provider", label: string) => (
    <label>
      {label}{" "}
      <input
        name={what}
        list={`of-${what}`}
        defaultValue={trial[what]}
        placeholder="as it is"
        autocomplete="off"
        spellcheck={false}
      />
    </label>
  );
  return (
    <form
      ref={form}
      class={`lane in-${name}`}
      aria-label={`Lane ${name.toUpperCase()}`}
      onSubmit={(event) => {
        event.preventDefault();
        const given = new FormData(form.current!);
        const text = (what: string): string => String(given.get(what) ?? "").trim();
        const system = text("system");
        choose({
          version: text("version"),
          provider: text("provider"),
          ...(system && system !== template?.trim() && { system }),
        });
      }}
    >
      <h2>{name.toUpperCase()}</h2>
      {field("version", "Version")}
      {field("provider", "Provider")}
      <button type="submit" class="small">
        Use
      </button>
      <details open={Boolean(trial.system)}>
        <summary>{trial.system ? "Prompt: a draft" : "Prompt"}</summary>
        <textarea
          key={template}
          name="system"
          class="code"
          rows={6}
          aria-label={`Template of the prompt, lane ${name.toUpperCase()}`}
          defaultValue={trial.system ?? template ?? ""}
          spellcheck={false}
        />
        <p class="hint">Tried out by this lane only, and kept in this tab. Empty: as it is.</p>
      </details>
    </form>
  );
}

function Row({ turns, lanes }: { turns: [Turn | undefined, Turn | undefined]; lanes: Lanes }) {
  const [one, other] = turns;
  return (
    <>
      <article class="message user" aria-label="You">
        <div class="said">{(one ?? other)!.text}</div>
      </article>
      <div class="lanes">
        {LANES.map((name, index) => {
          const turn = turns[index];
          return (
            <div key={name} class={`lane in-${name}`}>
              {turn && <AnswerView turn={turn} agent={`${name.toUpperCase()}: ${labelOf(lanes.trials[name])}`} drawn={NOTHING} />}
              {turn && turn.checks.length > 0 && <p class="facts checks">{turn.checks.map(checkInWords).join(", ")}</p>}
              {name === "b" && (
                <p class="facts">{listed([inWords(takenBy([other]), takenBy([one])), checksInWords(other, one)])}</p>
              )}
            </div>
          );
        })}
      </div>
    </>
  );
}

function Questions({ ask }: { ask: (text: string) => void }) {
  const chosen = useRef<HTMLInputElement>(null);
  return (
    <>
      <button id="questions" type="button" class="bare" onClick={() => chosen.current!.click()}>
        Questions from a file
      </button>
      <input
        id="question-file"
        ref={chosen}
        type="file"
        accept="text/plain,.txt,.csv"
        hidden
        onChange={async () => {
          const [file] = chosen.current!.files ?? [];
          if (file) ask(await file.slice(0, MAX_FILE).text());
          chosen.current!.value = "";
        }}
      />
    </>
  );
}
