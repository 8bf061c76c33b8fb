// The clients of others in a page, bundled: `ask(name, base)` says "hello" and returns the answer's text.
import OpenAI from 'openai'
import { DefaultChatTransport, readUIMessageStream } from 'ai'
import { HttpAgent } from '@ag-ui/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const clients = {
  async openai(base) {
    const client = new OpenAI({ apiKey: 'k', baseURL: `${base}/v1`, dangerouslyAllowBrowser: true, maxRetries: 0 })
    const stream = await client.chat.completions.create({
      model: 'default', stream: true, messages: [{ role: 'user', content: 'hello' }]
    })
    let text = ''
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? ''
    return text
  },
  async chat(base) {
    const transport = new DefaultChatTransport({ api: `${base}/api/chat` })
    const message = { id: 'u', role: 'user', parts: [{ type: 'text', text: 'hello' }] }
    const stream = await transport.sendMessages({ trigger: 'submit-message', chatId: 'page', messages: [message] })
    let last
    for await (const state of readUIMessageStream({ stream })) last = state
    return last.parts.filter((part) => part.type === 'text').map((part) => part.text).join('')
  },
  async agui(base) {
    const agent = new HttpAgent({ url: `${base}/ag-ui`, threadId: 'page-agui' })
    agent.addMessage({ id: 'u', role: 'user', content: 'hello' })
    await agent.runAgent({})
    return agent.messages.at(-1).content
  },
  async mcp(base) {
    const client = new Client({ name: 'page', version: '1' })
    await client.connect(new StreamableHTTPClientTransport(new URL(`${base}/mcp`)))
    const result = await client.callTool({ name: 'agent', arguments: { message: 'hello' } })
    return result.structuredContent.answer
  }
}

window.ask = async (name, base) => {
  try {
    return { text: await clients[name](base) }
  } catch (error) {
    return { error: String(error) }
  }
}
