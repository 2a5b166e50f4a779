/* Frames on the link: COBS(header | payload | CRC-32) 0x00. */
#ifndef JL_FRAME_H
#define JL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jl_protocol.h"

#define JL_FRAME_MIN_BYTES (JL_HEADER_BYTES + JL_CRC_BYTES)
#define JL_FRAME_MAX_BYTES (JL_HEADER_BYTES + JL_MAX_PAYLOAD_BYTES + JL_CRC_BYTES)

typedef enum {
    JL_FRAME_PENDING,  /* more bytes are needed */
    JL_FRAME_READY,    /* a frame with a right CRC is in the receiver */
    JL_FRAME_REJECTED, /* a frame ended that is too short, too long, not COBS or has a wrong CRC */
} jl_frame_event;

/* One link's receiver; all zero is its initial state. After JL_FRAME_READY, bytes[0 .. length) is
 * the frame without its CRC, valid until the next jl_frame_push(). */
typedef struct {
    uint8_t bytes[JL_FRAME_MAX_BYTES];
    uint16_t length;
    uint32_t crc;       /* of the frame that is ready */
    uint8_t code;       /* of the COBS block that is being read, 0 before the first */
    uint8_t block_left; /* bytes of that block that have not come yet */
    bool broken;        /* too long: skip to the delimiter */
    bool handed_over;   /* the frame in bytes was given out; the next byte begins another */
} jl_frame_receiver;

/* Take one byte from the line. Bounded work, whatever the byte is. */
jl_frame_event jl_frame_push(jl_frame_receiver *receiver, uint8_t byte);

/* Put the CRC behind length bytes (header and payload; room for JL_CRC_BYTES more is needed) and
 * send the frame on a link of jl_port.h. */
void jl_frame_send(uint32_t link, uint8_t *bytes, size_t length);

#endif
