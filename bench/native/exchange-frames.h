/*
 * Frames of exchange.c: each side numbers its own, checks the other's numbers, keeps every frame until
 * it is acknowledged, and lets an acknowledgement ride on every frame.
 */
#pragma once
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "packet-end.h"

enum {
  HEADER_BYTES = 22, /* Ethernet 14, TLoE 8 */
  MASK_BYTES = 8,
  MESSAGE_BYTES = 8,
  LEAST_FRAME_BYTES = 78, /* what the shortest TLoE frame has */
  SLOTS = 1024, /* more than are ever unacknowledged */
  FLUSH_FRAMES = 32,
  /* Between frames of a slab; the start makes what follows the Ethernet header aligned. */
  SLOT_BYTES = 9216,
  SLOT_START = 2,
};

/* One side's socket, its frames, and how far the numbers are. */
struct end {
  int socket;
  bool spins;
  unsigned char mac[MAC_BYTES];
  unsigned char *transmit_slab;
  unsigned char *receive_slab;
  struct mmsghdr out[BATCH_FRAMES], in[BATCH_FRAMES];
  struct iovec out_windows[BATCH_FRAMES], in_windows[BATCH_FRAMES];
  uint32_t next_sent, next_expected, acknowledged;
  unsigned queued;
  unsigned long long frames_sent, frames_received;
};

/* A frame being filled with messages. */
struct frame {
  unsigned char *bytes;
  size_t length;
  unsigned messages;
};

struct message {
  uint32_t source;
  uint8_t opcode, size_log2;
};

static inline uint64_t load64(const unsigned char *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return be64toh(value);
}

static inline void store64(unsigned char *at, uint64_t value) {
  value = htobe64(value);
  memcpy(at, &value, sizeof value);
}

static inline void prepare(struct end *end, const struct end *other) {
  end->transmit_slab = aligned_alloc(4096, (size_t)SLOTS * SLOT_BYTES);
  end->receive_slab = aligned_alloc(4096, (size_t)BATCH_FRAMES * SLOT_BYTES);
  if (end->transmit_slab == NULL || end->receive_slab == NULL) fail("memory for frames");
  memset(end->transmit_slab, 0, (size_t)SLOTS * SLOT_BYTES);
  memset(end->receive_slab, 0, (size_t)BATCH_FRAMES * SLOT_BYTES);
  for (int i = 0; i < SLOTS; i++) {
    put_ethernet_header(end->transmit_slab + (size_t)i * SLOT_BYTES + SLOT_START, other->mac,
                        end->mac);
  }
  for (int i = 0; i < BATCH_FRAMES; i++) {
    end->in_windows[i] =
        (struct iovec){end->receive_slab + (size_t)i * SLOT_BYTES + SLOT_START, MAX_FRAME_BYTES};
    end->in[i].msg_hdr = (struct msghdr){.msg_iov = &end->in_windows[i], .msg_iovlen = 1};
    end->out[i].msg_hdr = (struct msghdr){.msg_iov = &end->out_windows[i], .msg_iovlen = 1};
  }
}

static inline void send_queued(struct end *end) {
  unsigned done = 0;
  while (done < end->queued) {
    int taken = sendmmsg(end->socket, end->out + done, end->queued - done, 0);
    if (taken > 0) done += (unsigned)taken;
    else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR) fail("sending");
  }
  end->frames_sent += end->queued;
  end->queued = 0;
}

/* The slot of the next number: it stays as it is until that number is acknowledged. */
static inline struct frame begin_frame(struct end *end) {
  if (end->next_sent - end->acknowledged >= SLOTS) {
    errno = 0;
    fail("the other side acknowledges nothing");
  }
  unsigned char *slot = end->transmit_slab + (size_t)(end->next_sent % SLOTS) * SLOT_BYTES;
  return (struct frame){slot + SLOT_START, HEADER_BYTES, 0};
}

static inline unsigned char *add_message(struct frame *frame, struct message message, size_t room) {
  unsigned char *at = frame->bytes + frame->length;
  store64(at, (uint64_t)message.opcode << 56 | (uint64_t)message.size_log2 << 48 | message.source);
  frame->length += MESSAGE_BYTES + room;
  frame->messages++;
  return at + MESSAGE_BYTES;
}

/* Numbers the frame, lets an acknowledgement ride along, and queues it. */
static inline void end_frame(struct end *end, struct frame *frame) {
  size_t length = frame->length + MASK_BYTES;
  if (length < LEAST_FRAME_BYTES) length = LEAST_FRAME_BYTES;
  store64(frame->bytes + frame->length, 0);
  store64(frame->bytes + length - MASK_BYTES, frame->messages);
  store64(frame->bytes + 14, (uint64_t)end->next_sent << 32 | end->next_expected);
  end->next_sent++;
  end->out_windows[end->queued++] = (struct iovec){frame->bytes, length};
  if (end->queued == FLUSH_FRAMES) send_queued(end);
}

/* A batch of frames, at least one; 0: none came in time. */
static inline int receive(struct end *end) {
  int flags = end->spins ? MSG_DONTWAIT : MSG_WAITFORONE;
  int count = recvmmsg(end->socket, end->in, BATCH_FRAMES, flags, NULL);
  if (count >= 0) return count;
  if (errno != EAGAIN && errno != EINTR) fail("receiving");
  /* Whoever spins lets others go first, as ours does: the other side may wait for this processor. */
  if (end->spins) sched_yield();
  return 0;
}

/* Checks number and mask of a received frame; 0 messages: it is none of ours. */
static inline unsigned accept_frame(struct end *end, const unsigned char *frame, size_t length) {
  if (length < LEAST_FRAME_BYTES) return 0;
  uint64_t numbers = load64(frame + 14);
  if ((uint32_t)(numbers >> 32) != end->next_expected) {
    errno = 0;
    fail("a frame was lost; larger socket buffers are needed (root has them)");
  }
  end->next_expected++;
  end->acknowledged = (uint32_t)numbers;
  end->frames_received++;
  return (unsigned)load64(frame + length - MASK_BYTES);
}

static inline struct message read_message(const unsigned char *at) {
  uint64_t word = load64(at);
  return (struct message){(uint32_t)word, (uint8_t)(word >> 56), (uint8_t)(word >> 48)};
}
