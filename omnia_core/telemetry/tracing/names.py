"""The names of attributes and events: OpenTelemetry's GenAI conventions, and our own.

https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT = "gen_ai.agent.name"
AGENT_VERSION = "gen_ai.agent.version"
CONVERSATION = "gen_ai.conversation.id"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_STREAM = "gen_ai.request.stream"
FINISH_REASONS = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
TOOL = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL = "gen_ai.tool.call.id"

# Only where content is asked for.
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"

# https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/
EVALUATION_RESULT = "gen_ai.evaluation.result"
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"

ERROR_TYPE = "error.type"
HTTP_STATUS = "http.response.status_code"

OMNIA_AGENT = "omnia.agent.name"
OMNIA_NAMESPACE = "omnia.agent.namespace"
OMNIA_PACK = "omnia.promptpack.name"
OMNIA_PACK_VERSION = "omnia.promptpack.version"
OMNIA_TURN_INDEX = "omnia.turn.index"
OMNIA_INVOCATION = "omnia.invocation.id"
OMNIA_FUNCTION = "omnia.function.name"
OMNIA_HANDLER = "omnia.handler"
OMNIA_PROVIDER = "omnia.provider.name"
OMNIA_TOOL_HANDLER = "omnia.tool.handler.name"
OMNIA_TOOL_STATUS = "omnia.tool.status"
OMNIA_COST = "omnia.usage.cost_usd"
OMNIA_CANCELLED = "omnia.cancelled"
