// Talks to the door /api/chat as the AI SDK does, and prints what it made of the answers as JSON:
//   node chat_door.mjs PACKAGE BASE_URL CHAT_ID SCENARIO TEXT
// PACKAGE is one of ai5, ai and ai7: the versions 5, 6 and 7.
const [name, base, chatId, scenario, text] = process.argv.slice(2)
const { DefaultChatTransport, readUIMessageStream } = await import(name)
const transport = new DefaultChatTransport({ api: `${base}/api/chat` })
const errors = []

async function read(stream, message, until = () => false) {
  let last = message ?? null
  const states = readUIMessageStream({ stream, message, onError: (error) => errors.push(String(error)) })
  try {
    for await (const state of states) {
      last = state
      if (until(state)) break
    }
  } catch (error) {
    errors.push(String(error))
  }
  return last
}

const user = { id: `user-${chatId}`, role: 'user', parts: [{ type: 'text', text }] }
const said = (message) => message.parts.filter((part) => part.type === 'text').map((part) => part.text).join('')
const send = (messages, abortSignal) =>
  transport.sendMessages({ trigger: 'submit-message', chatId, messages, messageId: undefined, abortSignal })

const result = {}
if (scenario === 'message') {
  result.message = await read(await send([user]))
} else if (scenario === 'resume') {
  const abort = new AbortController()
  const first = await read(await send([user], abort.signal), undefined, (state) => said(state).length > 20)
  result.first = said(first)
  abort.abort()
  const stream = await transport.reconnectToStream({ chatId })
  result.message = stream === null ? null : await read(stream)
  result.after = await transport.reconnectToStream({ chatId })
  errors.length = 0
} else if (scenario === 'tool') {
  const asked = await read(await send([user]))
  const call = asked.parts.find((part) => part.type.startsWith('tool-') && part.state === 'input-available')
  Object.assign(call, { state: 'output-available', output: { day: 7 } })
  const id = asked.id
  result.message = await read(await send([user, asked]), asked)
  result.sameId = result.message.id === id
}
console.log(JSON.stringify({ ...result, errors }))
