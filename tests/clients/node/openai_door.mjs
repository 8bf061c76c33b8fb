// Uses an agent as OpenAI's client for JavaScript does, and prints what it saw as JSON: BASE_URL SCENARIO
import OpenAI from 'openai'

const [baseURL, scenario] = process.argv.slice(2)
const client = new OpenAI({ apiKey: 'k', baseURL })
const model = 'agent'
const user = (content) => ({ role: 'user', content })
const scenarios = {
  async completions() {
    const whole = await client.chat.completions.create({ model, messages: [user('hello')] }).withResponse()
    let text = ''
    let usage
    const stream = await client.chat.completions.create({
      model, messages: [user('hello')], stream: true, stream_options: { include_usage: true }
    })
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? ''
      usage = chunk.usage ?? usage
    }
    return {
      models: (await client.models.list()).data.map((found) => found.id),
      whole: whole.data.choices[0].message.content,
      session: whole.response.headers.get('omnia-session-id'),
      text,
      tokens: usage.total_tokens
    }
  },
  async tools() {
    const runner = client.chat.completions.runTools({
      model,
      messages: [user('pick one')],
      tools: [{
        type: 'function',
        function: {
          name: 'pick_date', description: 'picks', parse: JSON.parse,
          parameters: { type: 'object', properties: { month: { type: 'string' } } },
          function: async ({ month }) => `7 ${month}`
        }
      }]
    })
    return { text: await runner.finalContent(), calls: runner.messages.filter((message) => message.tool_calls).length }
  },
  async responses() {
    const stream = client.responses.stream({ model, input: 'hello' })
    let text = ''
    stream.on('response.output_text.delta', (event) => { text += event.delta })
    const first = await stream.finalResponse()
    const next = await client.responses.create({ model, input: 'again', previous_response_id: first.id })
    const read = await client.responses.retrieve(next.id)
    const background = await client.responses.create({ model, input: 'slowly please', background: true, stream: true })
    const numbers = []
    let id
    let whole = ''
    for await (const event of background) {
      numbers.push(event.sequence_number)
      id ??= event.response?.id
      if (event.type === 'response.output_text.delta') whole += event.delta
      if (numbers.length === 8) break
    }
    const rest = await client.responses.retrieve(id, { stream: true, starting_after: numbers.at(-1) })
    for await (const event of rest) {
      numbers.push(event.sequence_number)
      if (event.type === 'response.output_text.delta') whole += event.delta
    }
    return {
      text, first: first.output_text, conversation: first.conversation.id === next.conversation.id,
      previous: next.previous_response_id === first.id, read: read.output_text, numbers, whole
    }
  },
  async errors() {
    const seen = []
    for (const attempt of [
      () => client.chat.completions.create({ model: 'nope', messages: [user('x')] }),
      () => client.chat.completions.create({ model, messages: [user('x')], n: 2 }),
      () => client.responses.retrieve('resp_x')
    ]) {
      try {
        await attempt()
        seen.push('no error')
      } catch (error) {
        seen.push([error.constructor.name, error.code])
      }
    }
    return { seen }
  }
}
console.log(JSON.stringify(await scenarios[scenario]()))
