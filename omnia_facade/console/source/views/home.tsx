// From the page of one agent to the page of all of them, where the server says that there is one.

export const Home = ({ hub = "" }: { hub: string | undefined }) =>
  !HUB && /^https?:/.test(hub) ? (
    <a id="all-agents" class="button" href={hub}>
      All agents
    </a>
  ) : null;
