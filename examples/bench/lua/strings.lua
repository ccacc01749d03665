-- Strings are built, searched, replaced and taken apart. Usage: strings.lua ROUNDS
local words = {"ship", "harbour", "rope", "lantern", "gull", "tide", "anchor", "mast", "sail", "keel"}
local sum, seen = 0, {}
for round = 1, tonumber(arg[1]) do
    local line = {}
    for i = 1, 20 do line[i] = words[(round * i * i + i) % #words + 1] .. (round + i) % 100 end
    local text = table.concat(line, " ")
    local shouted = text:gsub("(%a+)(%d+)", function(word, number) return word:upper() .. ":" .. number + 1 end)
    for word in shouted:gmatch("%u+") do seen[word] = (seen[word] or 0) + #word end
    local first, last = text:find("gull%d+ %a")
    sum = sum + #shouted + (first or 0) + (last or 0) + shouted:reverse():byte(1)
    sum = sum + #string.format("%5d %s %.3f", round, text:sub(3, 9), round / 7)
end
local keys = {}
for word, length in pairs(seen) do keys[#keys + 1] = word .. length end
table.sort(keys)
print(sum, table.concat(keys, " "))
