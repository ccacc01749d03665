-- Floating point and fields of tables: bodies that attract each other. Usage: nbody.lua STEPS
local bodies = {}
for i = 1, 5 do
    bodies[i] = {x = i * 1.7 % 3, y = i * 2.3 % 5, z = i * 0.9 % 2, vx = 0.1 * i, vy = -0.05 * i, vz = 0.02 * i, mass = 1 / i}
end

local function step(dt)
    for i = 1, #bodies do
        local a = bodies[i]
        for j = i + 1, #bodies do
            local b = bodies[j]
            local dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
            local square = dx * dx + dy * dy + dz * dz + 0.01
            local force = dt / (square * square ^ 0.5)
            a.vx, a.vy, a.vz = a.vx - dx * b.mass * force, a.vy - dy * b.mass * force, a.vz - dz * b.mass * force
            b.vx, b.vy, b.vz = b.vx + dx * a.mass * force, b.vy + dy * a.mass * force, b.vz + dz * a.mass * force
        end
    end
    for _, body in ipairs(bodies) do
        body.x, body.y, body.z = body.x + dt * body.vx, body.y + dt * body.vy, body.z + dt * body.vz
    end
end

local function momentum()
    local sum = 0
    for _, body in ipairs(bodies) do sum = sum + body.mass * (body.vx + body.vy + body.vz) end
    return sum
end

local before = momentum()
for _ = 1, tonumber(arg[1]) do step(0.001) end
assert(math.abs(momentum() - before) < 1e-9)
print(string.format("%.9f %.9f", before, bodies[1].x))
