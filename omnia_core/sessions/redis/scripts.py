"""The Lua scripts of the session store: each operation is one script.

KEYS of each: messages, last append, checkpoint, past. "past" is a hash that exists once messages
were deleted, or would have been in a dry run: how many, the turns among them, pack version and user
of the first message, and the position of the first message that a dry-run policy would have kept.
It has the name of the session and the results of evaluations ("eval:<key>") too, so that pods of
earlier versions renew and delete them with it.

The length of a session is that of the list plus the deleted messages.
"""

# A new session must not inherit the past of an expired one.
_PAST = """
local stored, first = redis.call('LLEN', KEYS[1]), 0
if stored > 0 then
  first = tonumber(redis.call('HGET', KEYS[4], 'messages') or 0)
else
  redis.call('DEL', KEYS[4])
end
"""

_RENEW = """
for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
"""

# Whether a dry-run policy (its time to live in ms, 0: none) would have ended this session by now.
_WOULD_END = """
local would_end, lives = 0, tonumber(ARGV[2])
if lives > 0 then
  local left = redis.call('PTTL', KEYS[1])
  if left > 0 and tonumber(ARGV[1]) - left >= lives then would_end = 1 end
end
"""

_SESSION = """
local past = redis.call('HMGET', KEYS[4], 'messages', 'turns', 'pack_version', 'user_id', 'name',
  'name_given')
return {redis.call('LRANGE', KEYS[1], 0, -1), redis.call('GET', KEYS[3]), past, would_end}
"""

# Finds user messages by their prefix: the store writes the role first in every record. Messages are
# kept from the beginning of a turn on; the last turn is kept as a whole, even if it is too long.
_BOUND = """
local function of_user(record) return string.sub(record, 1, 14) == '{"role":"user"' end
local function begins(from, to, step)
  for at = from, to, step do
    if of_user(redis.call('LINDEX', KEYS[1], at)) then return at end
  end
end
local function first_kept(most)
  local within = stored - most
  return begins(within, stored - 1, 1) or begins(within - 1, 0, -1) or 0
end
local function forget(count)
  if first == 0 then
    local began = cjson.decode(redis.call('LINDEX', KEYS[1], 0))
    local version, user = began['pack_version'] or '', began['user_id'] or ''
    redis.call('HSET', KEYS[4], 'pack_version', version, 'user_id', user)
  end
  local turns = 0
  for _, record in ipairs(redis.call('LRANGE', KEYS[1], 0, count - 1)) do
    if of_user(record) then turns = turns + 1 end
  end
  redis.call('LTRIM', KEYS[1], count, -1)
  redis.call('HINCRBY', KEYS[4], 'messages', count)
  redis.call('HINCRBY', KEYS[4], 'turns', turns)
end
local most, trial_most = tonumber(ARGV[5]), tonumber(ARGV[6])
if most > 0 and length > 0 and stored > most then
  gone = first_kept(most)
  if gone > 0 then forget(gone) end
end
if trial_most > 0 and length > 0 and stored > trial_most then
  local kept = math.max(first, tonumber(redis.call('HGET', KEYS[4], 'trial') or 0))
  would_go = math.max(first + first_kept(trial_most) - kept, 0)
  if would_go > 0 then redis.call('HSET', KEYS[4], 'trial', kept + would_go) end
end
"""


def _append(bound: str) -> str:
    return f"""
{_PAST}
local length, gone, would_go = first + stored, 0, 0
if redis.call('GET', KEYS[2]) == ARGV[3] then
  {_RENEW}
  return {{1, length, 0, 0, 0}}
end
if length ~= tonumber(ARGV[4]) then return {{0, length, 0, 0, 0}} end
{_WOULD_END}
for i = 7, #ARGV do stored = redis.call('RPUSH', KEYS[1], ARGV[i]) end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('DEL', KEYS[3])
local grown = first + stored
{bound}
{_RENEW}
return {{1, grown, gone, would_end, would_go}}
"""


# Appends all or nothing. An append that is repeated because its reply was lost changes nothing.
# The first append is one turn, even if a function called its model twice, so it stays whole.
# ARGV: time to live in ms, that of a dry-run policy (0: none), append id, expected length, maximum
# of messages (0: none), that of a dry-run policy (0: none), messages…
# Returns {1, length, …} or, when the expected length is wrong, {0, length, …}; then the number of
# deleted messages, and those of sessions and messages that a dry-run policy would have deleted.
APPEND = _append("")
APPEND_BOUNDED = _append(_BOUND)

# ARGV: time to live in ms, that of a dry-run policy (0: none).
# Returns {messages, checkpoint or nil, past, how many sessions a dry-run policy would have ended}.
LOAD = f"""
{_WOULD_END}
{_RENEW}
{_SESSION}
"""

# As LOAD, without beginning the time to live anew.
READ = f"""
local would_end = 0
{_SESSION}
"""

# ARGV: time to live in ms, expected length, checkpoint.
CHECKPOINT = f"""
{_PAST}
if stored == 0 or first + stored ~= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[3], ARGV[3])
{_RENEW}
return 1
"""

# ARGV: expected name, name. Returns whether the session was named.
RENAME = """
local left = redis.call('PTTL', KEYS[1])
if left <= 0 or (redis.call('HGET', KEYS[4], 'name') or '') ~= ARGV[1] then return 0 end
if redis.call('HEXISTS', KEYS[4], 'name_given') == 1 then return 0 end
redis.call('HSET', KEYS[4], 'name', ARGV[2])
redis.call('PEXPIRE', KEYS[4], left)
return 1
"""

# ARGV: name, which a person chose. Returns whether the session was named.
GIVE_NAME = """
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then return 0 end
redis.call('HSET', KEYS[4], 'name', ARGV[1], 'name_given', 1)
redis.call('PEXPIRE', KEYS[4], left)
return 1
"""

# Returns whether there was a session.
END = """
local left = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return left > 0 and 1 or 0
"""

# ARGV: how many results are kept, then each one's field and JSON. Above that number the half with
# the earliest turns goes. Returns how many are new.
ADD_EVAL_RESULTS = """
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then return 0 end
local added, most = 0, tonumber(ARGV[1])
for i = 2, #ARGV, 2 do added = added + redis.call('HSETNX', KEYS[4], ARGV[i], ARGV[i + 1]) end
if redis.call('HLEN', KEYS[4]) > most then
  local kept = {}
  for _, name in ipairs(redis.call('HKEYS', KEYS[4])) do
    local turn = string.match(name, '^eval:(%d+):')
    if turn then kept[#kept + 1] = {tonumber(turn), name} end
  end
  table.sort(kept, function(one, other) return one[1] < other[1] end)
  for i = 1, #kept - math.floor(most / 2) do redis.call('HDEL', KEYS[4], kept[i][2]) end
end
redis.call('PEXPIRE', KEYS[4], left)
return added
"""

# Returns the names and values of the hash.
EVAL_RESULTS = """
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
return redis.call('HGETALL', KEYS[4])
"""
