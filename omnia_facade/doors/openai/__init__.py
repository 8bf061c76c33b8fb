"""The API of OpenAI: chat completions, responses, models.

https://platform.openai.com/docs/api-reference and, for responses, https://www.openresponses.org.
Clients of this API reach the agent as if it were a model.
"""
