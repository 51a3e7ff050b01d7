-- Requests of wrk for scripts/bench-service.sh: products of changing numbers, to the model MODEL.
local model, n = os.getenv("MODEL"), 0
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer token" }
function request()
  n = n + 1
  local body = '{"model": "%s", "messages": [{"role": "user", "content": "Multiply: %d * %d ?"}]}'
  return wrk.format("POST", nil, headers, string.format(body, model, n % 89 + 11, n % 97 + 3))
end
