{
  # `node-gyp rebuild -- -Dsanitize=1` makes a build with AddressSanitizer and UBSan.
  "variables": { "sanitize%": 0 },
  "targets": [
    {
      "target_name": "nbd_kernel",
      "sources": [
        "native/addon.cc",
        "native/datagram.cc",
        "native/device_wrap.cc",
        "native/kernel_stream.cc",
        "native/link_watch.cc",
        "native/locked_advice.cc",
        "native/nbd_ioctl.cc",
        "native/nbd_netlink.cc",
        "native/netlink_message.cc",
        "native/poll_loop.cc",
        "native/process_guard.cc",
        "native/process_wrap.cc",
        "native/stream_wrap.cc",
        "native/thread_task.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS"],
      "cflags": ["-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-fvisibility=hidden"],
      # A thread may still be in the kernel when the worker that loaded the addon has ended.
      "ldflags": ["-Wl,-z,nodelete"],
      "conditions": [
        ["sanitize==1", {
          "cflags": ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"],
          "ldflags": ["-fsanitize=address,undefined"]
        }]
      ]
    }
  ]
}
