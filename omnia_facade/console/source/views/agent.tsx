// The page of an agent: the conversations before, this one, and the inspector of a turn.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Conversation } from "../conversation";
import { KnownConversations } from "../known";
import { useChanges } from "../parts/changes";
import { baseOf, isSame, type AgentName } from "../place";
import { addressOf, NOWHERE, routes } from "../routes";
import { hub } from "../wire/hub";
import { asJson } from "../wire/http";
import { readInside } from "../wire/inside";
import { AgentList } from "./agents";
import { Variables } from "../variables";
import { About } from "./about";
import { Composer } from "./composer";
import { Files } from "./files";
import { Header } from "./header";
import { Home } from "./home";
import { close, Inspector } from "./inspector";
import { Log } from "./log";
import { Sent } from "./prompt";
import { Rail } from "./rail";
import type { Description, Inside } from "./start";

// The turns before and after one, by their keys.
const BESIDE: Record<string, number> = { ArrowUp: -1, ArrowDown: 1 };

// Of one agent only: another agent is another component.
export function Agent({ agent }: { agent: AgentName }) {
  const { name } = agent;
  const [base] = useState(() => baseOf(agent));
  const [variables] = useState(() => new Variables(agent));
  const [conversation] = useState(() => new Conversation(base, routes.now.session, () => variables.metadata));
  const [known] = useState(() => new KnownConversations(agent));
  const [described, setDescribed] = useState<Description>({});
  const [read, setRead] = useState<Inside>();
  useChanges(conversation);
  useChanges(routes);
  const { turn, step, about, files } = routes.now;
  const inspected = conversation.turnOf(turn);
  const isInspecting = inspected || about || files;
  const isOpen = conversation.state.kind === "open";
  useEffect(() => {
    const unbind = bound(conversation, agent);
    conversation.connect();
    return () => {
      unbind();
      conversation.leave();
    };
  }, []);
  useEffect(() => {
    if (!isOpen) return;
    // The page works without it.
    asJson<Description>(`${base}api/agent`).then((found) => {
      setDescribed(found);
      known.serve(base, found.capabilities ?? []);
      variables.declare(found.variables ?? []);
      if (!found.inside) void readInside(agent).then(setRead);
    }, () => {});
  }, [isOpen]);
  useEffect(() => void known.load(), [conversation.running]);
  useEffect(() => {
    document.title = [conversation.name, name, "Omnia"].filter(Boolean).join(" · ");
  }, [conversation.name]);
  useEffect(() => {
    if (conversation.kept && conversation.said) known.use(conversation.kept, conversation.name || conversation.said);
  }, [conversation.kept, conversation.name, conversation.said]);
  useHub(conversation, agent);
  const begin = (): void => {
    routes.go({ session: "", turn: 0, step: 0 });
    document.getElementById("message")?.focus();
  };
  useEffect(() => {
    const keys = (event: KeyboardEvent): void => {
      if (event.key === "Escape") {
        if (conversation.running) conversation.stop();
        else if (routes.now.turn || routes.now.about || routes.now.files) close();
      } else if (event.altKey && event.code === "KeyI") {
        event.preventDefault();
        if (routes.now.turn || routes.now.about || routes.now.files) close();
        else routes.go(conversation.count ? { turn: conversation.count } : { about: true });
      } else if (event.altKey && event.key in BESIDE && routes.now.turn) {
        const next = routes.now.turn + BESIDE[event.key]!;
        event.preventDefault();
        if (conversation.turnOf(next)) routes.go({ turn: next, step: 0, about: false, files: false }, { replace: true });
      } else if (event.altKey && event.code === "KeyN") {
        event.preventDefault();
        begin();
      }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);
  return (
    <div class={isInspecting ? "page agent inspecting" : "page agent"}>
      <Header
        name={name}
        state={conversation.state}
        changed={() => conversation.connect()}
        skip={{ to: "message", label: "Skip to the message field" }}
        actions={
          <>
            <Home hub={described.hub} />
            <button type="button" class="bare open-rail" popovertarget="rail">
              Conversations
            </button>
            <button
              id="about"
              type="button"
              class="bare"
              aria-keyshortcuts="Alt+I"
              aria-pressed={about}
              onClick={() => (about ? close() : routes.go({ about: true, files: false }))}
            >
              Agent
            </button>
          </>
        }
      >
        <Sessions conversation={conversation} />
      </Header>
      <Rail known={known} begin={begin} renamed={(id, named) => conversation.rename(id, named)}>
        {HUB && <AgentList />}
        {described.capabilities?.includes("trial") && (
          <a id="compare" href={addressOf({ ...NOWHERE, agent, view: "compare" })}>
            Compare
          </a>
        )}
      </Rail>
      <main>
        <Log conversation={conversation} agent={name} described={described} />
      </main>
      <Composer conversation={conversation} agent={name} variables={variables} />
      {isInspecting && (
        <Inspector
          turn={inspected ?? null}
          number={turn}
          count={conversation.count}
          step={step}
          trace={(each) => void conversation.trace(each)}
          sent={(of, at) =>
            described.inside && (
              <Sent
                agent={agent}
                variables={variables}
                turn={of}
                step={at}
                tools={described.inside.tools.map((each) => each.name)}
              />
            )
          }
          files={files && <Files conversation={conversation} />}
          about={about && <About agent={agent} described={read ? { ...described, inside: read } : described} variables={variables} />}
        />
      )}
    </div>
  );
}

// Where several agents are served, it is known when this one changes.
function useHub(conversation: Conversation, agent: AgentName): void {
  const { version, state } = (HUB && hub.agent(agent)) || {};
  const before = useRef({ version, state });
  useEffect(() => {
    const last = before.current;
    before.current = { version, state };
    if (version && last.version && version !== last.version && conversation.items.length) {
      conversation.note(`prompt ${last.version} → ${version} from here on`);
    }
    if (state === "ready" && last.state !== state && conversation.state.kind !== "open") conversation.connect();
  }, [version, state]);
}

// Lets the address follow the conversation, and the conversation the address, each at once.
function bound(conversation: Conversation, agent: AgentName): () => void {
  const ends = [
    conversation.listen(() => {
      const { kept } = conversation;
      if (routes.now.view !== "try") return;
      // Back leads to no session that has ended.
      if (kept !== routes.now.session) routes.go({ session: kept, turn: 0, step: 0 }, { replace: !kept });
    }),
    routes.listen(() => {
      const { now } = routes;
      if (now.view === "try" && isSame(now.agent, agent) && now.session !== conversation.kept) conversation.begin(now.session);
    }),
  ];
  return () => ends.forEach((end) => end());
}

function Sessions({ conversation }: { conversation: Conversation }) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current!.value = conversation.session;
  }, [conversation.session]);
  return (
    <form
      id="sessions"
      onSubmit={(event) => {
        event.preventDefault();
        conversation.begin(field.current!.value.trim());
      }}
    >
      <label for="session">Conversation</label>
      <div class="row">
        <input id="session" ref={field} autocomplete="off" spellcheck={false} aria-describedby="session-hint" />
        <button type="submit">Resume</button>
      </div>
      <p id="session-hint" class="hint">
        The id of this conversation. Enter the id of an earlier one to resume it.
      </p>
    </form>
  );
}
