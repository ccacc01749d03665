// A function of more than 32 KiB that tests bits of its argument: on aarch64 such a branch reaches 32 KiB, and the
// padding in front of calls comes on top of what the code generator knows.
//#ExpectFile
//#Levels: O0 O2 Os O2lto
#include <stdint.h>
#include <stdio.h>

static uint64_t calls;

static uint64_t mix_now(uint64_t a, uint64_t b) {
    calls++;
    return a * 31 + b;
}

static uint64_t (*volatile mix)(uint64_t, uint64_t) = mix_now;

// By turns x86-64 and aarch64 need more bytes, so that both are padded.
#define STEP(n)                                              \
    if (bits[(n) / 32] & UINT32_C(1) << (n) % 32) goto stop; \
    sum = mix(sum / ((n) + 3 + calls), calls);               \
    sum = mix(sum ^ UINT64_C(0x123456789abcdef) * ((n) + 1), 0);
#define STEP4(n) STEP(n) STEP(n + 1) STEP(n + 2) STEP(n + 3)
#define STEP16(n) STEP4(n) STEP4(n + 4) STEP4(n + 8) STEP4(n + 12)
#define STEP64(n) STEP16(n) STEP16(n + 16) STEP16(n + 32) STEP16(n + 48)
#define STEP256(n) STEP64(n) STEP64(n + 64) STEP64(n + 128) STEP64(n + 192)

static uint64_t walk(const uint32_t *bits) {
    uint64_t sum = 1;
    STEP256(0)
    STEP256(256)
stop:
    return mix(sum, calls);
}

int main(void) {
    for (int stop = 0; stop <= 512; stop += 73) {
        uint32_t bits[17] = {0};
        bits[stop / 32] = UINT32_C(1) << stop % 32;
        printf("%d: %llx\n", stop, (unsigned long long)walk(bits));
    }
    printf("%llu calls\n", (unsigned long long)calls);
}
