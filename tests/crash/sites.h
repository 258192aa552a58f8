/* SPDX-License-Identifier: Apache-2.0 */
/* Included in front of the sources that tests/crash steps through: each store to memory that is
 * shared with a guest or with the next process notes its place in the ELF section shared_sites, as
 * often as the compiler makes one of it. See virtio/shared.h and step.h.
 */
#pragma once

#define SITE_TEXT(line) SITE_TEXT_OF(line)
#define SITE_TEXT_OF(line) #line

#define SHARED_STORE(p, v, order)                                                                  \
	do {                                                                                       \
		__typeof__(p) _at = (p);                                                           \
		__typeof__(*(p)) _value = (v);                                                     \
		__asm__ volatile("771:" : : "r"(_at), "r"(_value) : "memory");                     \
		__atomic_store_n(_at, _value, (order));                                            \
		__asm__ volatile("772:\n"                                                          \
				 ".pushsection shared_sites,\"aw\"\n"                              \
				 ".balign 8\n"                                                     \
				 ".quad 771b, 772b, 773f\n"                                        \
				 ".popsection\n"                                                   \
				 ".pushsection .rodata\n"                                          \
				 "773: .asciz \"" __FILE__ ":" SITE_TEXT(__LINE__) "\"\n"          \
										   ".popsection\n" \
				 :                                                                 \
				 :                                                                 \
				 : "memory");                                                      \
	} while (0)
