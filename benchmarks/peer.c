/*
 * The servers of the benchmark, in one process: peer ADDRESS MEGABYTES
 *
 *   111/udp   GETPORT: version 1 of a program gets another port in every answer, all others always the same
 *   21/tcp    FTP: login, PASV, EPSV, RETR of a small file; "BULK" instead of a login: MEGABYTES of binary data
 *   69/udp    TFTP: a small file, from a port of its own for each request
 *   1900/udp  SSDP: answers each search that comes by multicast
 *
 * Prints "listening" once all of them do. Runs until a signal ends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_SIZE 400

static const char *host;
static long megabytes;

static void die(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in address(const char *name, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, name, &sin.sin_addr) != 1)
		die(name);
	return sin;
}

static int bound(int type, const char *name, int port)
{
	struct sockaddr_in sin = address(name, port);
	int fd = socket(AF_INET, type, 0), yes = 1, room = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 512) < 0)
		die("listen");
	return fd;
}

static void *rpc(void *argument)
{
	int fd = *(int *)argument;
	unsigned port = 0;

	for (;;) {
		unsigned words[64];
		struct sockaddr_in from;
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(fd, words, sizeof(words), 0, (struct sockaddr *)&from, &length);

		/* a call of procedure 3 (GETPORT) of the portmapper, no credentials */
		if (size < 56 || words[1] || ntohl(words[3]) != 100000 || ntohl(words[5]) != 3)
			continue;
		port = ntohl(words[11]) == 1 ? 20000 + (port + 1) % 40000 : 20048;
		unsigned answer[] = { words[0], htonl(1), 0, 0, 0, 0, htonl(port) };

		sendto(fd, answer, sizeof(answer), 0, (struct sockaddr *)&from, length);
	}
	return NULL;
}

static int listener(int *port)
{
	struct sockaddr_in sin;
	socklen_t length = sizeof(sin);
	int fd = bound(SOCK_STREAM, host, 0);

	getsockname(fd, (struct sockaddr *)&sin, &length);
	*port = ntohs(sin.sin_port);
	return fd;
}

static void pour(int fd)
{
	static char data[65536];

	for (long i = 0; i < megabytes * 16; i++)
		for (size_t done = 0; done < sizeof(data);) {
			ssize_t size = send(fd, data + done, sizeof(data) - done, MSG_NOSIGNAL);

			if (size <= 0)
				return;
			done += size;
		}
}

static void *ftp_session(void *argument)
{
	int fd = (int)(long)argument, data = -1, port = 0, yes = 1;
	FILE *commands = fdopen(dup(fd), "r");
	char line[256], text[256];
	static char file[FILE_SIZE];

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	dprintf(fd, "220 ready\r\n");
	while (commands && fgets(line, sizeof(line), commands)) {
		if (!strncmp(line, "BULK", 4)) {
			pour(fd);
			break;
		} else if (!strncmp(line, "USER", 4)) {
			dprintf(fd, "331 password\r\n");
		} else if (!strncmp(line, "PASS", 4)) {
			dprintf(fd, "230 logged in\r\n");
		} else if (!strncmp(line, "EPSV", 4) || !strncmp(line, "PASV", 4)) {
			unsigned a, b, c, d;

			if (data >= 0)
				close(data);
			data = listener(&port);
			sscanf(host, "%u.%u.%u.%u", &a, &b, &c, &d);
			if (line[0] == 'E')
				snprintf(text, sizeof(text), "229 Entering Extended Passive Mode (|||%d|)\r\n", port);
			else
				snprintf(text, sizeof(text), "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u)\r\n", a, b, c, d,
					 port >> 8, port & 255);
			dprintf(fd, "%s", text);
		} else if (!strncmp(line, "RETR", 4) && data >= 0) {
			int peer = accept(data, NULL, NULL);

			dprintf(fd, "150 opening\r\n");
			if (send(peer, file, sizeof(file), MSG_NOSIGNAL) < 0)
				perror("peer: ftp data");
			close(peer);
			close(data);
			data = -1;
			dprintf(fd, "226 done\r\n");
		} else {
			dprintf(fd, "500 what\r\n");
		}
	}
	if (commands)
		fclose(commands);
	if (data >= 0)
		close(data);
	close(fd);
	return NULL;
}

static void *ftp(void *argument)
{
	int fd = *(int *)argument, peer;

	while ((peer = accept(fd, NULL, NULL)) >= 0) {
		pthread_t id;

		if (pthread_create(&id, NULL, ftp_session, (void *)(long)peer))
			die("pthread_create");
		pthread_detach(id);
	}
	return NULL;
}

static void *tftp(void *argument)
{
	int fd = *(int *)argument;
	unsigned char data[4 + FILE_SIZE] = { 0, 3, 0, 1 };

	for (;;) {
		char request[512];
		struct sockaddr_in from;
		socklen_t length = sizeof(from);

		if (recvfrom(fd, request, sizeof(request), 0, (struct sockaddr *)&from, &length) < 4 || request[1] != 1)
			continue;
		/* the acknowledgement of a file of one block needs no answer (RFC 1350, section 6) */
		int transfer = bound(SOCK_DGRAM, host, 0);

		sendto(transfer, data, sizeof(data), 0, (struct sockaddr *)&from, length);
		close(transfer);
	}
	return NULL;
}

static void *ssdp(void *argument)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=100\r\nEXT:\r\n"
				     "LOCATION: http://10.0.2.2:49152/d.xml\r\nSERVER: x/1 UPnP/1.0 x/1\r\n"
				     "ST: upnp:rootdevice\r\nUSN: uuid:1::upnp:rootdevice\r\n\r\n";
	int fd = *(int *)argument, from_socket = bound(SOCK_DGRAM, host, 0);

	for (;;) {
		char search[512];
		struct sockaddr_in from;
		socklen_t length = sizeof(from);

		if (recvfrom(fd, search, sizeof(search), 0, (struct sockaddr *)&from, &length) < 8)
			continue;
		sendto(from_socket, answer, sizeof(answer) - 1, 0, (struct sockaddr *)&from, length);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static int fds[4];
	void *(*work[])(void *) = { rpc, ftp, tftp, ssdp };
	struct ip_mreqn membership = { 0 };

	if (argc != 3) {
		fprintf(stderr, "usage: peer ADDRESS MEGABYTES\n");
		return 2;
	}
	host = argv[1];
	megabytes = atol(argv[2]);
	fds[0] = bound(SOCK_DGRAM, host, 111);
	fds[1] = bound(SOCK_STREAM, host, 21);
	fds[2] = bound(SOCK_DGRAM, host, 69);
	fds[3] = bound(SOCK_DGRAM, "0.0.0.0", 1900);
	inet_pton(AF_INET, "239.255.255.250", &membership.imr_multiaddr);
	inet_pton(AF_INET, host, &membership.imr_address);
	if (setsockopt(fds[3], IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)) < 0)
		die("IP_ADD_MEMBERSHIP");
	for (int i = 0; i < 4; i++) {
		pthread_t id;

		if (pthread_create(&id, NULL, work[i], &fds[i]))
			die("pthread_create");
	}
	printf("listening\n");
	fflush(stdout);
	pause();
	return 0;
}
