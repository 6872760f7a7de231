{
  # `node-gyp rebuild -- -Dsanitize=1` makes a build with AddressSanitizer and UBSan.
  "variables": { "sanitize%": 0 },
  "targets": [
    {
      "target_name": "rawsock",
      "sources": [
        "native/addon.cc",
        "native/frame_filter.cc",
        "native/interface_info.cc",
        "native/packet_socket.cc",
        "native/poll_loop.cc",
        "native/receive_ring.cc",
        "native/socket_wrap.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS"],
      "cflags": ["-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-fvisibility=hidden"],
      "conditions": [
        ["sanitize==1", {
          "cflags": ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"],
          "ldflags": ["-fsanitize=address,undefined"]
        }]
      ]
    }
  ]
}
