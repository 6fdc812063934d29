// The floor: what a minimal client takes. Blocking sockets, one thread a connection, one range each,
// nothing hashed, nothing recorded.
//
// floor pwrite|direct HOST PORT PATH SIZE CONNECTIONS BUFFER OUT [CA]
//
// pwrite: each receive is written through the page cache. direct: whole buffers are written past
// it into reserved space, and synced at the end. With a file of certificates it speaks TLS 1.3.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 256, BLOCK = 4096, HEAD = 2048 };

static const char *host, *path;
static int port, connections, file;
static size_t size, buffer_size;
static bool direct;
static SSL_CTX *tls;

struct connection {
    int socket;
    SSL *ssl;
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void write_all(const char *bytes, size_t len, off_t at) {
    while (len > 0) {
        ssize_t written = pwrite(file, bytes, len, at);
        if (written < 0) die("pwrite");
        bytes += written;
        len -= written;
        at += written;
    }
}

static size_t receive(struct connection *from, char *into, size_t room, int flags) {
    ssize_t got = from->ssl ? SSL_read(from->ssl, into, room) : recv(from->socket, into, room, flags);
    if (got <= 0) die("receive");
    return got;
}

static struct connection dial(void) {
    struct connection made = {socket(AF_INET, SOCK_STREAM, 0), NULL};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &to.sin_addr);
    if (connect(made.socket, (void *)&to, sizeof to)) die("connect");
    int on = 1;
    setsockopt(made.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (tls) {
        made.ssl = SSL_new(tls);
        SSL_set_fd(made.ssl, made.socket);
        if (SSL_connect(made.ssl) != 1) die("TLS");
    }
    return made;
}

// Asks for a range; what of the body came with the head is at the beginning of the buffer.
static size_t ask(struct connection *to, size_t begin, size_t end, char *buffer) {
    char request[1024];
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: %s:%d\r\nRange: bytes=%zu-%zu\r\nConnection: close\r\n\r\n",
                       path, host, port, begin, end - 1);
    ssize_t sent = to->ssl ? SSL_write(to->ssl, request, len) : send(to->socket, request, len, 0);
    if (sent != len) die("send");
    size_t got = 0;
    char *body = NULL;
    while (!body) {
        if (got + 1 >= HEAD) die("head");
        got += receive(to, buffer + got, HEAD - 1 - got, 0);
        buffer[got] = 0;
        body = strstr(buffer, "\r\n\r\n");
    }
    if (strncmp(buffer, "HTTP/1.1 206", 12)) die("status");
    body += 4;
    size_t came = got - (body - buffer);
    memmove(buffer, body, came);
    return came;
}

static void *fetch(void *argument) {
    long which = (long)argument;
    // Whole blocks, so that each connection can write past the page cache.
    size_t share = size / connections / BLOCK * BLOCK;
    size_t at = share * which;
    size_t end = which == connections - 1 ? size : share * (which + 1);
    struct connection from = dial();
    char *buffer;
    if (posix_memalign((void **)&buffer, BLOCK, buffer_size)) die("memory");
    size_t filled = ask(&from, at, end, buffer);
    while (at < end) {
        size_t wanted = end - at < buffer_size ? end - at : buffer_size;
        if (direct || from.ssl) {
            while (filled < wanted) filled += receive(&from, buffer + filled, wanted - filled, MSG_WAITALL);
        } else if (filled == 0) {
            filled = receive(&from, buffer, wanted, 0);
        }
        write_all(buffer, filled, at);
        at += filled;
        filled = 0;
    }
    close(from.socket);
    return NULL;
}

int main(int count, char **words) {
    if (count < 9) return 2;
    direct = !strcmp(words[1], "direct");
    host = words[2];
    port = atoi(words[3]);
    path = words[4];
    size = strtoull(words[5], NULL, 10);
    connections = atoi(words[6]);
    buffer_size = strtoull(words[7], NULL, 10);
    if (connections < 1 || connections > MOST_CONNECTIONS || buffer_size < HEAD) return 2;
    file = open(words[8], O_RDWR | O_CREAT | O_TRUNC | (direct ? O_DIRECT : 0), 0644);
    if (file < 0) die("open");
    if (direct ? posix_fallocate(file, 0, size) : ftruncate(file, size)) die("room");
    if (count > 9) {
        tls = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
        if (!SSL_CTX_load_verify_locations(tls, words[9], NULL)) die("certificates");
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_read_ahead(tls, 1);
        SSL_CTX_set_default_read_buffer_len(tls, 128 << 10);
    }
    pthread_t threads[MOST_CONNECTIONS];
    for (long i = 0; i < connections; i++) pthread_create(&threads[i], NULL, fetch, (void *)i);
    for (long i = 0; i < connections; i++) pthread_join(threads[i], NULL);
    if (direct && fdatasync(file)) die("fdatasync");
    return 0;
}
