/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the OpenFlow protocol that several files need (OpenFlow 1.0.0, 1.3.5, 1.4.1, 1.5.1,
 * and Nicira's extensions as Open vSwitch speaks them). Numbers of messages are in
 * openflow/message.c.
 */
#pragma once

#include <stdint.h>

/* As they are on the wire; 1.1 and 1.2 are not offered. */
#define OF10 1
#define OF13 4
#define OF14 5
#define OF15 6
#define OF_VERSIONS (1u << OF10 | 1u << OF13 | 1u << OF14 | 1u << OF15)

#define OF_HEADER 8	 /* version, type, length, xid */
#define OF_LEN_MAX 65535 /* bytes of a message */
#define OF_ERROR_DATA 64 /* bytes of a refused message that its error brings back */

/* Types that are the same in all versions. A reply has the number behind its request's. */
enum of_type {
	OFT_HELLO = 0,
	OFT_ERROR = 1,
	OFT_ECHO_REQUEST = 2,
	OFT_ECHO_REPLY = 3,
	OFT_EXPERIMENTER = 4,
	OFT_PACKET_IN = 10,
	OFT_FLOW_REMOVED = 11,
	OFT_PORT_STATUS = 12,
	OFT_ROLE_STATUS = 30, /* 1.4 */
};

#define OFT_MULTIPART_REQUEST_10 16	 /* types of requests: in 1.0, */
#define OFT_MULTIPART_REQUEST_13 18	 /* and later */
#define OF_MULTIPART_EXPERIMENTER 0xffff /* type of a multipart that is a vendor's */
#define OF_PROP_EXPERIMENTER 0xffff	 /* type of a property that is a vendor's */
#define OF_REPLY_MORE 1			 /* flag of an answer: another part follows */

/* Vendors, or experimenters */
#define VENDOR_NICIRA 0x00002320u
#define VENDOR_ONF 0x4f4e4600u /* errors that came later */
#define VENDOR_NTR 0x0000154du /* selection method of a group */

/* Nicira's messages that are sent unasked. */
#define NXT_FLOW_REMOVED 14
#define NXT_PACKET_IN 17
#define NXT_PACKET_IN2 30

#define OF_NO_BUFFER 0xffffffffu    /* the packet is in the message */
#define OF_UNKNOWN_COUNT UINT64_MAX /* nobody counts this */
#define OF_MATCH_OXM 1		    /* type of a match */

/* OFPPC, of all versions */
#define OFPC_PORT_DOWN 1u
#define OFPC_NO_RECV 4u
#define OFPC_NO_FLOOD 16u /* 1.0 */
#define OFPC_NO_FWD 32u
#define OFPC_NO_PACKET_IN 64u

/* Port numbers of OpenFlow 1.0 are those of later versions, with 16 bits. */
static inline uint32_t proto_port_from10(uint16_t port)
{
	return port >= 0xff00 ? 0xffff0000u | port : port;
}

/* 0xffff (none) for a port that 1.0 cannot name. */
static inline uint16_t proto_port_to10(uint32_t port)
{
	return port < 0xff00 || port >= 0xffffff00u ? (uint16_t)port : 0xffff;
}
