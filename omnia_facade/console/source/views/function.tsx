// The page of a function: the form of its input, the call, and its result.

import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { fieldFor, Unreadable, type Field } from "../form/fields";
import { resolved, type Schema } from "../form/schema";
import { FieldView } from "../form/views";
import { nearest, violations, type Violation } from "../form/violations";
import { pretty, seconds, usageFacts } from "../parts/figures";
import { baseOf, type AgentName } from "../place";
import type { Usage } from "../wire/frames";
import { asJson, Refused } from "../wire/http";
import type { State } from "../wire/socket";
import { AgentList, RailButton } from "./agents";
import { Header } from "./header";
import { Home } from "./home";
import { RailFrame } from "./rail";
import type { Description } from "./start";

interface OpenApi {
  paths: Record<string, { post: { requestBody: { content: { "application/json": { schema: Schema } } } } }>;
}

interface Answer {
  output: unknown;
  invocation_id: string;
  duration_ms: number;
  usage?: Usage;
}

type Result = { answer: Answer; milliseconds: number } | { code: string; message: string; raw?: unknown };

interface Form {
  root: Field;
  path: string;
}

// Of one function only: another function is another component.
export function FunctionPage({ agent }: { agent: AgentName }) {
  const [base] = useState(() => baseOf(agent));
  const [state, setState] = useState<State>({ kind: "connecting", text: "Loading" });
  const [form, setForm] = useState<Form | null>(null);
  const [result, setResult] = useState<Result | null>(null);
  const [hubAddress, setHubAddress] = useState<string>();
  const [mistakes, setMistakes] = useState("");
  const [, again] = useReducer((count: number) => count + 1, 0);
  const [calling, setCalling] = useState(false);
  const call = useRef<AbortController | null>(null);

  const refused = (error: unknown): boolean => {
    if (!(error instanceof Refused) || error.status !== 401) return false;
    setState({ kind: "refused", text: `Needs a token: ${error.message}`, asks: true });
    return true;
  };

  const load = async (): Promise<void> => {
    setState({ kind: "connecting", text: "Loading" });
    try {
      const openapi = await asJson<OpenApi>(`${base}openapi.json`);
      const [[address, { post }]] = Object.entries(openapi.paths) as [[string, OpenApi["paths"][string]]];
      const schema = resolved(post.requestBody.content["application/json"].schema, openapi);
      setForm((now) => now ?? { root: fieldFor("input", schema, openapi, "", true), path: base + address.replace(/^\//, "") });
      setState({ kind: "open", text: "Ready" });
      // The page works without it.
      if (!HUB) asJson<Description>("api/agent").then(({ hub }) => setHubAddress(hub), () => {});
    } catch (error) {
      const why = `The function's OpenAPI document cannot be read: ${(error as Error).message}`;
      if (!refused(error)) setState({ kind: "refused", text: why });
    }
  };

  const tell = (found: Violation[]): void => {
    const [root, elsewhere] = [form!.root, [] as string[]];
    let first: Field | undefined;
    for (const { at, message } of found) {
      const field = nearest(root.all, at);
      if (field) field.fail(field.at === at ? message : `${at}: ${message}`);
      else elsewhere.push(`${at || "(root)"}: ${message}`);
      first ??= field;
    }
    setMistakes(["The input does not fit the function's schema.", ...elsewhere].join(" "));
    first?.input?.focus();
  };

  const send = async ({ root, path }: Form): Promise<void> => {
    for (const field of root.all) field.wrong = "";
    setMistakes("");
    let body: string;
    try {
      body = JSON.stringify(root.read() ?? null);
    } catch (unreadable) {
      if (!(unreadable instanceof Unreadable)) throw unreadable;
      tell([{ at: unreadable.at, message: unreadable.message }]);
      return;
    }
    const control = new AbortController();
    call.current = control;
    setCalling(true);
    const began = performance.now();
    try {
      const answer = await asJson<Answer>(path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
        signal: control.signal,
      });
      setResult({ answer, milliseconds: performance.now() - began });
    } catch (error) {
      if (refused(error)) return;
      if (!(error instanceof Refused)) {
        setResult({ code: "STOPPED", message: "The call was stopped." });
        return;
      }
      const found = error.code === "input_invalid" ? violations(error.message) : [];
      if (found.length) tell(found);
      else setResult({ code: error.code, message: error.message, raw: error.body.raw_output });
    } finally {
      call.current = null;
      setCalling(false);
      again(undefined);
    }
  };

  useEffect(() => void load(), []);
  // At once: the page must not move under a click.
  useLayoutEffect(() => form?.root.input?.focus(), [form]);
  useEffect(() => {
    const stop = (event: KeyboardEvent): void => {
      if (event.key === "Escape") call.current?.abort();
    };
    addEventListener("keydown", stop);
    return () => removeEventListener("keydown", stop);
  }, []);
  const shown: State = calling && state.kind === "open" ? { kind: "open", text: "Calling" } : state;
  return (
    <div class={HUB ? "page agent function" : "page function"}>
      <Header
        name={agent.name}
        state={shown}
        changed={load}
        skip={{ to: "input", label: "Skip to the input" }}
        actions={HUB ? <RailButton label="Agents" /> : <Home hub={hubAddress} />}
      />
      {HUB && (
        <RailFrame label="Agents">
          <AgentList />
        </RailFrame>
      )}
      <main class="columns">
        <form
          id="input"
          aria-label="Input"
          noValidate
          tabIndex={-1}
          onSubmit={(event) => {
            event.preventDefault();
            if (form && !call.current) void send(form);
          }}
        >
          <h2>Input</h2>
          <p id="summary" class="summary" role="alert" hidden={!mistakes}>
            {mistakes && (
              <>
                <code>input_invalid</code> {mistakes}
              </>
            )}
          </p>
          <div id="fields">{form && <FieldView field={form.root} />}</div>
          <div class="bar">
            <p class="hint">
              Fields marked <span class="mark">required</span> have to be there; what you leave empty is left out.
            </p>
            <button id="cancel" type="button" class="stop" hidden={!calling} onClick={() => call.current?.abort()}>
              Stop
            </button>
            <button id="call" type="submit" class="primary" disabled={!form || calling}>
              Call
            </button>
          </div>
        </form>
        <section id="answer" aria-label="Result" aria-live="polite">
          <h2>Result</h2>
          {result ? <Shown result={result} /> : <p class="empty">The result of the function appears here.</p>}
        </section>
      </main>
    </div>
  );
}

function Shown({ result }: { result: Result }) {
  if ("code" in result) {
    return (
      <div id="result">
        <div class="error" role="alert">
          <code>{result.code}</code> {result.message}
        </div>
        {result.raw !== undefined && (
          <>
            <h3>Output of the model</h3>
            <pre tabIndex={0}>{pretty(result.raw)}</pre>
          </>
        )}
      </div>
    );
  }
  const { output, usage, duration_ms, invocation_id } = result.answer;
  const facts = [
    ["Usage", usageFacts(usage).join(" · ")],
    ["Duration", `${seconds(duration_ms)} in the facade, ${seconds(result.milliseconds)} in all`],
    ["Invocation", invocation_id],
  ].filter(([, fact]) => fact);
  return (
    <div id="result">
      <pre tabIndex={0} aria-label="Output">
        {JSON.stringify(output, null, 2)}
      </pre>
      <dl>
        {facts.map(([title, fact]) => (
          <>
            <dt>{title}</dt>
            <dd>{fact}</dd>
          </>
        ))}
      </dl>
    </div>
  );
}
