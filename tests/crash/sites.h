/* SPDX-License-Identifier: Apache-2.0 */
/* Included in front of the sources that tests/crash steps through: each store to memory that is
 * shared with a guest or with the next process notes its place in the ELF section shared_sites, as
 * often as the compiler makes one of it, with the source that it is in if it comes from a header.
 * See base/store.h and step.h.
 */
#pragma once

#define SITE_TEXT(line) SITE_TEXT_OF(line)
#define SITE_TEXT_OF(line) #line

/* A record of the code between the labels 771 and 772. */
#define SITE                                                                       \
	".pushsection shared_sites,\"aw\"\n"                                       \
	".balign 8\n"                                                              \
	".quad 771b, 772b, 773f\n"                                                 \
	".popsection\n"                                                            \
	".pushsection .rodata\n"                                                   \
	"773: .asciz \"" __FILE__ ":" SITE_TEXT(__LINE__) " " __BASE_FILE__ "\"\n" \
							  ".popsection\n"

#define SHARED_STORE(p, v, order)                                              \
	do {                                                                   \
		__typeof__(p) _at = (p);                                       \
		__typeof__(*(p)) _value = (v);                                 \
		__asm__ volatile("771:" : : "r"(_at), "r"(_value) : "memory"); \
		__atomic_store_n(_at, _value, (order));                        \
		__asm__ volatile("772:\n" SITE : : : "memory");                \
	} while (0)

#define SHARED_SWAP(p, old, v, order)                                     \
	({                                                                \
		__typeof__(p) _at = (p);                                  \
		__typeof__(*(p)) *_old = (old), _was = *_old;             \
		_Bool _done;                                              \
		__asm__ volatile("771: lock cmpxchg %3, %1\n772:\n" SITE  \
				 : "=@ccz"(_done), "+m"(*_at), "+a"(_was) \
				 : "r"((__typeof__(*(p)))(v))             \
				 : "memory");                             \
		*_old = _was;                                             \
		_done;                                                    \
	})

#define SHARED_OR(p, bits, order)                           \
	__asm__ volatile("771: lock or %1, %0\n772:\n" SITE \
			 : "+m"(*(p))                       \
			 : "q"((__typeof__(*(p)))(bits))    \
			 : "memory")
