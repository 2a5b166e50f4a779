/* The flash's 64-bit unique id (command 4Bh of W25Q16JV and its kin), which names the board.
 *
 * Reading it takes the SSI out of XIP mode, so this runs from SRAM with interrupts held back, and
 * puts the SSI back into the mode that boot2.S chose. The mode has no state in the flash chip
 * (every read sends its command), so there is nothing to leave or to enter there. */
#include <string.h>

#include "jl_port.h"
#include "rp2040.h"

#define READ_UNIQUE_ID 0x4bu
#define DUMMY_BYTES 4u
#define ID_BYTES 8u
#define MAX_TURNS 10000u /* a byte takes 8 * 4 cycles; a turn some 10 */

#define SSI(offset) REG(XIP_SSI_BASE + (offset))

static uint8_t unique_id[ID_BYTES];

JL_HOT static void set_mode(uint32_t ctrlr0, uint32_t spi_ctrlr0) {
    SSI(SSI_SSIENR) = 0;
    SSI(SSI_CTRLR0) = ctrlr0;
    SSI(SSI_SPI_CTRLR0) = spi_ctrlr0;
    SSI(SSI_SSIENR) = 1;
}

JL_HOT static uint8_t exchange(uint8_t out) {
    SSI(SSI_DR0) = out;
    for (uint32_t turn = 0; turn < MAX_TURNS; turn++) {
        if ((SSI(SSI_SR) & SSI_SR_RFNE) != 0) {
            return (uint8_t)SSI(SSI_DR0);
        }
    }
    return 0;
}

JL_HOT void rp2040_flash_id_init(void) {
    uint32_t before = jl_port_quiet_begin();
    set_mode(SSI_CTRLR0_BYTES, 0);
    /* High first: the flash takes the next byte after a falling edge as a command. */
    REG(QSPI_SS_CTRL) = QSPI_SS_HIGH;
    REG(QSPI_SS_CTRL) = QSPI_SS_LOW;
    (void)exchange(READ_UNIQUE_ID);
    for (uint32_t i = 0; i < DUMMY_BYTES; i++) {
        (void)exchange(0);
    }
    for (uint32_t i = 0; i < ID_BYTES; i++) {
        unique_id[i] = exchange(0);
    }
    REG(QSPI_SS_CTRL) = QSPI_SS_HIGH;
    REG(QSPI_SS_CTRL) = QSPI_SS_NORMAL;
    set_mode(SSI_CTRLR0_XIP, SSI_SPI_CTRLR0_XIP);
    jl_port_quiet_end(before);
}

void jl_port_chip_id(uint8_t id[8]) {
    memcpy(id, unique_id, sizeof unique_id);
}
