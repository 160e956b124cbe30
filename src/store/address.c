/*
 * address.c: see address.h.
 */
#include "store/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static bool
is_v4(const uint8_t *a)
{
	static const uint8_t alibaba[4] = {100, 100, 100, 200};

	return (a[0] == 169 && a[1] == 254) || memcmp(a, alibaba, 4) == 0;
}

static bool
is_v6(const uint8_t *a)
{
	static const uint8_t zeros[12] = {0};
	static const uint8_t mapped[12] = {[10] = 0xff,[11] = 0xff};
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	static const uint8_t aws[4] = {0xfd, 0x00, 0x0e, 0xc2};
	static const uint8_t six_to_four[2] = {0x20, 0x02};

	if (memcmp(a, zeros, 12) == 0 || memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return is_v4(a + 12);
	if (memcmp(a, six_to_four, 2) == 0)
		return is_v4(a + 2);
	return (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || memcmp(a, aws, 4) == 0;
}

bool
slm_address_is_local_link(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return is_v4((const uint8_t *) &((const struct sockaddr_in *) address)->sin_addr);
	if (address->sa_family == AF_INET6)
		return is_v6(((const struct sockaddr_in6 *) address)->sin6_addr.s6_addr);
	return false;
}
