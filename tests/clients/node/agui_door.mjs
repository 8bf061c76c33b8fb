// Uses an agent as an AG-UI frontend does, and prints what it saw as JSON: URL SCENARIO
// The client checks the order of the events; their schemas are checked here too.
import { HttpAgent } from '@ag-ui/client'
import { AgentCapabilitiesSchema, EventSchemas } from '@ag-ui/core/schemas'

const [url, scenario] = process.argv.slice(2)
const faults = []
const agent = new HttpAgent({ url, threadId: `thread-${scenario}` })
const subscriber = {
  onEvent({ event }) {
    const checked = EventSchemas.safeParse(event)
    if (!checked.success) faults.push([event.type, checked.error.issues])
  }
}
const say = (content) => agent.addMessage({ id: crypto.randomUUID(), role: 'user', content })
const texts = () => agent.messages.filter((message) => message.role === 'assistant' && message.content).map((message) => message.content)
const scenarios = {
  async turns() {
    for (const content of ['one', 'two', 'three']) {
      say(content)
      await agent.runAgent({}, subscriber)
    }
    return { texts: texts(), roles: agent.messages.map((message) => message.role) }
  },
  async tool() {
    say('pick one')
    await agent.runAgent({ tools: [{ name: 'pick_date', description: 'picks', parameters: { type: 'object' } }] }, subscriber)
    const calls = agent.messages.flatMap((message) => message.toolCalls ?? [])
    for (const call of calls) {
      agent.addMessage({ id: crypto.randomUUID(), role: 'tool', toolCallId: call.id, content: '7 May' })
    }
    await agent.runAgent({}, subscriber)
    return { calls: calls.map((call) => call.function.name), texts: texts() }
  },
  async capabilities() {
    const answer = await fetch(`${url}/capabilities`)
    const checked = AgentCapabilitiesSchema.safeParse(await answer.json())
    return { issues: checked.success ? [] : checked.error.issues }
  },
  async failure() {
    say('please fail')
    let told = ''
    await agent.runAgent({}, { ...subscriber, onRunErrorEvent({ event }) { told = event.message } }).catch((error) => { told ||= String(error) })
    return { told }
  }
}
console.log(JSON.stringify({ ...(await scenarios[scenario]()), faults }))
