/*
 * address.h: which addresses of the network are not for everybody.  Calls nothing of the server's.
 */
#ifndef SLM_STORE_ADDRESS_H
#define SLM_STORE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Is it one that only this machine's neighbours answer at, as the metadata services of clouds do, which hand out credentials and more to
 * whoever asks from here?  Link-local (169.254.0.0/16, fe80::/10), those of such services elsewhere (fd00:ec2::/32, 100.100.100.200),
 * and IPv4 ones among them within IPv6 (mapped, compatible, NAT64's 64:ff9b::/96, 6to4).
 */
extern bool slm_address_is_local_link(const struct sockaddr *address);

#endif							/* SLM_STORE_ADDRESS_H */
