/* COBS in both directions, byte by byte in and block by block out. */
#include "jl_frame.h"

#include "jl_crc32.h"
#include "jl_port.h"

#define DELIMITER 0u
#define COBS_FULL_BLOCK 0xffu /* 254 bytes with no zero behind them */

static void restart(jl_frame_receiver *receiver) {
    receiver->length = 0;
    receiver->code = 0;
    receiver->block_left = 0;
    receiver->broken = false;
    receiver->handed_over = false;
}

static void append(jl_frame_receiver *receiver, uint8_t byte) {
    if (receiver->length < sizeof receiver->bytes) {
        receiver->bytes[receiver->length++] = byte;
    } else {
        receiver->broken = true;
    }
}

static uint32_t load_le32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void store_le32(uint8_t *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

static jl_frame_event end_of_frame(jl_frame_receiver *receiver) {
    bool nothing_came = receiver->code == 0;
    bool whole =
        !receiver->broken && receiver->block_left == 0 && receiver->length >= JL_FRAME_MIN_BYTES;
    if (whole) {
        uint16_t length = (uint16_t)(receiver->length - JL_CRC_BYTES);
        uint32_t crc = jl_crc32(receiver->bytes, length);
        if (crc == load_le32(receiver->bytes + length)) {
            receiver->length = length;
            receiver->crc = crc;
            receiver->handed_over = true;
            return JL_FRAME_READY;
        }
    }
    restart(receiver);
    /* Delimiters in a row are idle line, not frames. */
    return nothing_came ? JL_FRAME_PENDING : JL_FRAME_REJECTED;
}

jl_frame_event jl_frame_push(jl_frame_receiver *receiver, uint8_t byte) {
    if (receiver->handed_over) {
        restart(receiver);
    }
    if (byte == DELIMITER) {
        return end_of_frame(receiver);
    }
    if (receiver->block_left > 0) {
        receiver->block_left--;
        append(receiver, byte);
        return JL_FRAME_PENDING;
    }
    if (receiver->code != 0 && receiver->code != COBS_FULL_BLOCK) {
        append(receiver, 0);
    }
    receiver->code = byte;
    receiver->block_left = (uint8_t)(byte - 1u);
    return JL_FRAME_PENDING;
}

void jl_frame_send(uint32_t link, uint8_t *bytes, size_t length) {
    store_le32(bytes + length, jl_crc32(bytes, length));
    length += JL_CRC_BYTES;

    size_t at = 0;
    for (;;) {
        size_t run = 0;
        while (at + run < length && run < COBS_FULL_BLOCK - 1u && bytes[at + run] != 0) {
            run++;
        }
        uint8_t code = (uint8_t)(run + 1u);
        jl_port_write(link, &code, 1);
        jl_port_write(link, bytes + at, run);
        at += run;
        if (code == COBS_FULL_BLOCK) {
            if (at == length) {
                break;
            }
            continue;
        }
        if (at == length) {
            break;
        }
        at++; /* the zero that the next code byte stands for */
    }
    const uint8_t delimiter = DELIMITER;
    jl_port_write(link, &delimiter, 1);
    jl_port_flush(link);
}
