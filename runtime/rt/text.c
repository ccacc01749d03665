// Messages on descriptor 2, numbers to and from text.
#include "twin.h"

void __twin_put(struct text *text, const char *string) {
    while (*string && text->length < text->capacity) {
        text->bytes[text->length++] = *string++;
    }
}

static void put_digits(struct text *text, uint64_t number, unsigned base) {
    char digits[24];
    char *at = &digits[sizeof digits];
    *--at = 0;
    do {
        *--at = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    __twin_put(text, at);
}

void __twin_put_number(struct text *text, uint64_t number) { put_digits(text, number, 10); }

void __twin_put_hex(struct text *text, uint64_t number) {
    __twin_put(text, "0x");
    put_digits(text, number, 16);
}

// The message lies in the shared state, as the visitor has home write it.
void __twin_say(const char *message, const char *detail) {
    struct text text = {0, state.message, sizeof state.message - 1};
    __twin_put(&text, "twin: ");
    __twin_put(&text, message);
    __twin_put(&text, detail);
    text.bytes[text.length++] = '\n';
    struct call call = {SYS_write, {2, (long)text.bytes, (long)text.length}};
    if (process.role == GUEST) {
        __twin_remote(&call, 0);
    } else {
        RAW(write, 2, text.bytes, text.length);
    }
}

_Noreturn void __twin_fatal(int status, const char *message, const char *detail) {
    __twin_say(message, detail);
    for (;;) {
        RAW(exit_group, status);
    }
}

// Where there may be no state yet, or no more.
_Noreturn void __twin_abandon(const char *message) {
    size_t length = 0;
    while (message[length]) {
        length++;
    }
    RAW(write, 2, "twin: ", 6);
    RAW(write, 2, message, length);
    RAW(write, 2, "\n", 1);
    for (;;) {
        RAW(exit_group, 125);
    }
}

// A decimal number; moves `text` behind it.
int __twin_parse_number(const char **text, uint64_t *number) {
    const char *at = *text;
    uint64_t value = 0;
    while (*at >= '0' && *at <= '9' && value < 1ul << 58) {
        value = value * 10 + (uint64_t)(*at++ - '0');
    }
    if (at == *text) {
        return 0;
    }
    *text = at;
    *number = value;
    return 1;
}

// "4,5,6": descriptors that another process of Twin passes on. Returns whether there are `count` of them.
int __twin_parse_descriptors(const char *text, int *descriptors, int count) {
    for (int i = 0; i < count; i++) {
        uint64_t number;
        if ((i && *text++ != ',') || !__twin_parse_number(&text, &number) || number > INT32_MAX) {
            return 0;
        }
        descriptors[i] = (int)number;
    }
    return !*text;
}
