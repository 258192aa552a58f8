/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer has told of itself, and how it is answered. Knows nothing of sockets: whoever carries
 * the bytes calls message_handle() for each message, in order, while of_session_ready() says so.
 * Control thread.
 *
 * Nothing here grows without bound: a request is one message; what many answers are made of is
 * listed once (OF_DUMP_MAX objects of all peers together, of which a process and users have their
 * shares) and written as the peer reads; unasked messages are dropped for a peer that does not
 * read.
 */
#pragma once

#include "openflow/proto.h"
#include "openflow/wire.h"
#include "switch/flows.h"

#define OF_SESSIONS_MAX 64		 /* of a bridge, besides those that snoop */
#define OF_SNOOPERS_MAX 8		 /* of a bridge */
#define OF_DUMP_MAX (4u * FLOWS_MAX)	 /* objects that are listed for answers, of all peers */
#define OF_OF_USERS(MAX) ((MAX) / 4 * 3) /* of each, others than root's: root always gets in */
#define OF_OF_PROCESS(MAX) ((MAX) / 4)	 /* of each: who forgets to close its own leaves room */
#define OF_QUEUE_MAX (256u << 10)	 /* waiting bytes, above which nothing more is answered */
#define OF_TURN_NS 1000000		 /* after this long, the rest waits for the next turn */
#define OF_UNASKED_MAX (1u << 20) /* waiting bytes, above which unasked messages are dropped */

struct of_session;

/* Whoever carries the bytes of a session. */
struct of_transport {
	/* Queues a message; what fails is the transport's to end. Does not destroy the session. */
	void (*send)(struct of_transport *transport, const uint8_t *message, size_t len);
	/* Bytes that the peer has not taken yet. */
	size_t (*waiting)(const struct of_transport *transport);
	/* The session is ready again. Does not destroy it either. */
	void (*ready)(struct of_transport *transport);
	/* Nothing more is to be said: to be closed when all is sent. */
	void (*end)(struct of_transport *transport);
};

/* A bridge as its peers share it. */
struct of_bridge {
	struct flows *flows;
	struct of_session *sessions;
	bool has_generation;
	uint64_t generation; /* of masters */
	/* A message that a session sends or has received; NULL: nobody listens. */
	void (*snoop)(struct of_bridge *bridge, const uint8_t *message, size_t len);
};

/* An answer that is written as the peer reads. */
struct of_later {
	/* Writes more. True: that was all. */
	bool (*go_on)(struct of_later *later, struct of_session *s);
	void (*free)(struct of_later *later);
};

/* Roles, as they are numbered since 1.2. */
enum of_role { ROLE_NOCHANGE, ROLE_EQUAL, ROLE_MASTER, ROLE_SLAVE };

/* How packets are told: as the specification has it, or Nicira in one way or the other. */
enum of_packet_format { PACKET_STANDARD, PACKET_NXT, PACKET_NXT2 };

/* Kinds of unasked messages, in the order of the properties of 1.4. */
enum of_async {
	ASYNC_PACKET_IN,
	ASYNC_PORT_STATUS,
	ASYNC_FLOW_REMOVED,
	ASYNC_ROLE_STATUS,
	ASYNC_TABLE_STATUS,
	ASYNC_REQUEST_FORWARD,
	ASYNC_N,
};

#define OF_GATHER_MAX 64 /* flow-mods that are published together */

struct of_session {
	struct of_session *next; /* of the bridge */
	struct of_bridge *bridge;
	struct of_transport *transport;
	int pid;	 /* of who has connected; 0: not known */
	bool root;	 /* is who has connected */
	uint8_t version; /* 0: not agreed upon yet */
	bool ended;
	enum of_role role;
	enum of_packet_format packet_format;
	bool nxm;		    /* 1.0: flows are told with Nicira's matches */
	bool table_in_command;	    /* 1.0: the command of a flow-mod holds the table */
	uint16_t controller;	    /* which packets it wants: see struct action_controller */
	uint16_t miss_send_len;	    /* 0, at first: no unasked messages at all */
	uint32_t async[2][ASYNC_N]; /* bits: reasons; [1]: as a slave */
	uint64_t n_dropped;	    /* unasked messages */
	struct of_wait *wait;	    /* a request that is answered later */
	struct of_later *later;	    /* an answer that is not written wholly */
	bool packets_out;	    /* there were, since the last barrier */
	bool gathers;		    /* flow-mods: of_session_gather() */
	unsigned n_gathered;
	const uint8_t *gathered[OF_GATHER_MAX]; /* messages that were accepted, all valid */
};

/* A message that has come. */
struct of_request {
	uint8_t version, type;
	uint32_t xid;
	const uint8_t *message; /* all of it */
	size_t len;
	const uint8_t *body; /* behind the header, be it also a vendor's or a multipart's */
	size_t body_len;
	uint16_t multipart, flags; /* type and flags of a multipart */
	uint32_t vendor, subtype;  /* vendor 0: the specification's */
};

/* Handles one. OFERR_NONE, or why it is refused: the caller says so to the peer. */
typedef enum of_error (*of_handler)(struct of_session *s, const struct of_request *request,
				    struct error *err);

/* Says hello. @transport must outlive the session. NULL when memory is short. */
struct of_session *of_session_create(struct of_bridge *bridge, struct of_transport *transport);
/* NULL is fine. */
void of_session_destroy(struct of_session *s);

/* Whether the next message may be handled. */
bool of_session_ready(const struct of_session *s);
/* Writes more of an answer that is not wholly written: the peer has read, or others had a turn. */
void of_session_more(struct of_session *s);
/* Answers by @later, which is the session's then. */
void of_session_answer_later(struct of_session *s, struct of_later *later);
/* Messages that are handled from now on stay where they are until of_session_publish(), in the same
 * call of the loop: so flow-mods may wait for each other. */
void of_session_gather(struct of_session *s);
/* Ends that: all that was asked for is in force, or refused. */
void of_session_publish(struct of_session *s);
/* What has waited is in force, or refused, before something else is done. */
void of_publish(struct of_session *s);
/* Says nothing more: the transport ends. */
void of_session_end(struct of_session *s);

/* Begins a message of @type with @xid. */
void of_begin(struct of_out *out, uint8_t version, uint8_t type, uint32_t xid);
/* Begins a reply to @request, of its type. */
void of_begin_reply(struct of_out *out, const struct of_request *request);
/* Begins a message of Nicira's that nobody asked for. */
void of_begin_nicira(struct of_out *out, uint8_t version, uint32_t subtype, uint32_t xid);
/* Sends what was begun, and frees it. A message that is too long is not sent, and logged. One for
 * which memory was short ends the session: somebody may wait for it. Nothing is sent then. */
void of_send(struct of_session *s, struct of_out *out);
/* Refuses @request. */
void of_refuse(struct of_session *s, const uint8_t *message, size_t len, enum of_error error);

/* Keeps @message until all that packets have done has been counted, then has @then handle it. The
 * session is not ready before. */
enum of_error of_wait(struct of_session *s, const uint8_t *message, size_t len,
		      void (*then)(struct of_session *s, const uint8_t *message, size_t len));

/* Whether @s wants unasked messages of this kind, for this reason. */
bool of_session_wants(const struct of_session *s, enum of_async what, unsigned reason);
/* Whether one is to be written and sent: @s wants it, and has read enough. If it has not, the
 * message is dropped, and counted. */
bool of_may_tell(struct of_session *s, enum of_async what, unsigned reason);
/* What a peer of @version gets unless it says otherwise. */
void of_session_default_async(struct of_session *s);

/* Milliseconds of CLOCK_BOOTTIME, as rules and groups note when they were made. */
uint64_t of_now_ms(void);
/* Writes a duration: seconds and nanoseconds since @created_ms. */
void out_duration(struct of_out *out, uint64_t created_ms);
